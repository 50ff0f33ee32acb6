"""What a tape notes of an attempt."""

import asyncio
import hashlib
import uuid

import pytest

from chat.exceptions import ProviderCut
from chat.llm.client import Endpoint
from chat.llm.dialects.base import WireRequest
from chat.llm.tape import BLOCK_BYTES, Tape

ENDPOINT = Endpoint("http://127.0.0.1:9/v1")
REQUEST = WireRequest("/chat/completions", {"Authorization": "Bearer the-key"}, b"{}")


def noise(size: int) -> bytes:
    """What no compressor makes shorter; the same each time."""
    return hashlib.shake_128(b"tape").digest(size)


def tape(most_bytes: int = 1_000_000, ended: list[Tape] | None = None) -> Tape:
    heard = ended if ended is not None else []
    return Tape(uuid.uuid4(), most_bytes=most_bytes, on_end=heard.append)


@pytest.mark.parametrize("size", [1, 7, 1000, BLOCK_BYTES, 5 * BLOCK_BYTES + 1])
def test_it_gives_back_what_it_was_given_however_it_came(size: int):
    data = noise(3 * BLOCK_BYTES + 5)
    noted = tape()
    for start in range(0, len(data), size):
        noted.take(data[start : start + size])
    assert noted.body() == data
    assert noted.fed_bytes == len(data)
    assert not noted.truncated


@pytest.mark.parametrize("most", [0, 10, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES - 1])
def test_beyond_its_bound_it_keeps_the_beginning_and_says_so(most: int):
    data = noise(3 * BLOCK_BYTES)
    noted = tape(most)
    for start in range(0, len(data), 1000):
        noted.take(data[start : start + 1000])
    assert noted.body() == data[:most]
    assert noted.fed_bytes == len(data)
    assert noted.truncated


def test_an_answer_that_just_fits_is_not_truncated():
    noted = tape(100)
    noted.take(b"x" * 100)
    assert not noted.truncated
    assert len(noted.body()) == 100


def test_a_long_stream_takes_a_small_part_of_its_size():
    noted = tape(10_000_000)
    for number in range(10_000):
        noted.take(b'data: {"choices": [{"index": 0, "delta": {"content": "w%d "}}]}\n\n' % number)
    assert noted.fed_bytes > 500_000
    assert noted.held_bytes < noted.fed_bytes / 5


def test_beyond_its_bound_it_takes_no_more_memory():
    noted = tape(1000)
    for _ in range(1000):
        noted.take(noise(1000))
    assert noted.held_bytes < 2 * BLOCK_BYTES


@pytest.mark.parametrize(
    ("error", "outcome", "detail"),
    [
        (ProviderCut(detail="gone"), "provider_cut", "gone"),
        (asyncio.CancelledError(), "stopped", ""),
        (KeyError("choices"), "internal", "KeyError: 'choices'"),
    ],
)
def test_how_the_attempt_leaves_is_how_it_ended(error: BaseException, outcome: str, detail: str):
    ended: list[Tape] = []
    noted = tape(ended=ended)
    with pytest.raises(type(error)), noted.recording(ENDPOINT, REQUEST):
        raise error
    assert ended == [noted]
    assert (noted.outcome, noted.detail) == (outcome, detail)


def test_an_attempt_that_leaves_in_peace_is_completed():
    ended: list[Tape] = []
    noted = tape(ended=ended)
    with noted.recording(ENDPOINT, REQUEST):
        assert noted.outcome == ""
    assert [(each.outcome, each.request, each.endpoint) for each in ended] == [
        ("completed", REQUEST, ENDPOINT)
    ]
