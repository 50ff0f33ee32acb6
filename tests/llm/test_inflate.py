"""Compressed bodies: what is opened, and how much of it at once."""

import gzip
import zlib

import pytest

from chat.exceptions import ProviderGarbage
from chat.llm.inflate import STEP_BYTES, Inflater, inflater

TEXT = b"data: {}\n\n" * 1000


def opened(body: bytes, encoding: str = "gzip", *, cut_at: int = 1, max_bytes: int = 10_000_000) -> bytes:
    stream = inflater(encoding, max_bytes=max_bytes)
    assert stream is not None
    pieces = [*stream.pieces(body[:cut_at]), *stream.pieces(body[cut_at:])]
    return b"".join(pieces)


def bare_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize("encoding", ["", "identity", "Identity, identity"])
def test_a_body_as_it_is_needs_no_opening(encoding: str):
    assert inflater(encoding) is None


@pytest.mark.parametrize("cut_at", [1, 10, 40])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("X-GZIP", gzip.compress(TEXT, mtime=0)),
        ("identity, gzip", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
    ],
)
def test_gzip_and_deflate_are_opened_wherever_they_are_cut(encoding: str, body: bytes, cut_at: int):
    assert opened(body, encoding, cut_at=cut_at) == TEXT


@pytest.mark.parametrize("cut_at", [1, 2, 40])
def test_deflate_without_its_wrapping_is_opened_too(cut_at: int):
    assert opened(bare_deflate(TEXT), "deflate", cut_at=cut_at) == TEXT


@pytest.mark.parametrize("encoding", ["gzip, gzip", "deflate,gzip", "br", "zstd", "gzip, br", "x"])
def test_several_or_unknown_layers_are_not_opened(encoding: str):
    with pytest.raises(ProviderGarbage):
        inflater(encoding)


def test_an_event_comes_out_as_soon_as_it_came_in():
    sender = zlib.compressobj(wbits=31)
    stream = Inflater(1_000_000)
    for number in range(3):
        event = b"data: %d\n\n" % number
        wire = sender.compress(event) + sender.flush(zlib.Z_SYNC_FLUSH)
        assert b"".join(stream.pieces(wire)) == event


def test_much_in_little_comes_in_bounded_steps():
    pieces = list(Inflater(100_000_000).pieces(gzip.compress(bytes(10_000_000))))
    assert max(map(len, pieces)) <= STEP_BYTES
    assert sum(map(len, pieces)) == 10_000_000


def test_more_than_the_bound_is_refused_before_it_is_opened():
    stream = Inflater(1_000_000)
    seen = 0
    with pytest.raises(ProviderGarbage, match="too large"):  # noqa: PT012
        for piece in stream.pieces(gzip.compress(bytes(50_000_000))):
            seen += len(piece)
    assert seen <= 1_000_000


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"not compressed at all"),
        ("gzip", bare_deflate(TEXT)),
        ("gzip", gzip.compress(TEXT, mtime=0)[:-8] + b"12345678"),
        ("deflate", zlib.compress(TEXT)[:-4] + b"1234"),
        ("deflate", b"\xff" * 50),
    ],
    ids=["no gzip", "no head", "wrong checksum", "wrong checksum of zlib", "no deflate"],
)
@pytest.mark.parametrize("cut_at", [1, 2, 10_000])
def test_what_is_broken_is_garbage(encoding: str, body: bytes, cut_at: int):
    with pytest.raises(ProviderGarbage):
        opened(body, encoding, cut_at=cut_at)


def test_what_follows_the_end_is_ignored():
    assert opened(gzip.compress(TEXT, mtime=0) + b"more" * 10) == TEXT


def test_nothing_but_a_member_of_gzip_goes_on_after_one():
    assert opened(zlib.compress(TEXT) * 2, "deflate") == TEXT
    assert opened(gzip.compress(TEXT, mtime=0) + zlib.compress(TEXT)) == TEXT


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("between", [b"", bytes(600)], ids=["at once", "after padding"])
@pytest.mark.parametrize(
    "after", [b"", bytes(600), b"\x1f", b"more"], ids=["", "padding", "a byte", "garbage"]
)
def test_all_members_of_a_body_are_opened(step: int, between: bytes, after: bytes):
    members = [TEXT[:3], b"", TEXT[3:]]
    body = between.join(gzip.compress(member, mtime=0) for member in members) + after
    stream = Inflater(10_000_000)
    cuts = [body[at : at + step] for at in range(0, len(body), step)]
    assert b"".join(piece for cut in cuts for piece in stream.pieces(cut)) == TEXT


def test_the_bound_holds_over_all_members():
    stream, member = Inflater(1_000_000), gzip.compress(bytes(300_000))
    assert sum(map(len, stream.pieces(member * 3))) == 900_000
    with pytest.raises(ProviderGarbage, match="too large"):
        list(stream.pieces(member))


def test_a_second_member_that_is_broken_is_garbage():
    with pytest.raises(ProviderGarbage):
        opened(gzip.compress(TEXT, mtime=0) + gzip.compress(TEXT, mtime=0)[:-8] + b"12345678")
