"""The event-stream decoder by itself."""

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.llm.sse import Event, SseDecoder, StreamTooLarge


def decode(*chunks: bytes) -> list[Event]:
    decoder = SseDecoder()
    events = [event for data in chunks for event in decoder.feed(data)]
    last = decoder.close()
    return [*events, last] if last else events


def feed_all(decoder: SseDecoder, chunks: list[bytes]) -> None:
    for chunk in chunks:
        decoder.feed(chunk)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_line_ends_at_lf_cr_and_crlf(end: bytes):
    assert decode(b"data: a" + end + end + b"data: b" + end + end) == [("", b"a"), ("", b"b")]


def test_crlf_cut_between_its_two_characters_is_one_line_end():
    assert decode(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [("", b"a\nb")]


def test_nothing_else_ends_a_line():
    odd = "data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei\n\n".encode()
    assert decode(odd) == [("", odd[6:-2])]


def test_the_byte_order_mark_is_dropped_even_when_cut():
    assert decode(b"\xef", b"\xbb", b"\xbfda", b"ta: a\n\n") == [("", b"a")]


def test_a_second_byte_order_mark_is_part_of_a_field_name():
    assert decode(b"data: a\n\n\xef\xbb\xbfdata: b\n\n") == [("", b"a")]


def test_only_one_space_after_the_colon_is_dropped():
    assert decode(b"data:a\n\ndata:  b\n\n") == [("", b"a"), ("", b" b")]


def test_data_lines_of_one_event_are_joined_by_newlines():
    assert decode(b'data: {"a":\ndata: 1}\n\n') == [("", b'{"a":\n1}')]


def test_the_name_holds_for_one_event():
    assert decode(b"event: x\ndata: 1\n\ndata: 2\n\n") == [("x", b"1"), ("", b"2")]


def test_control_fields_and_comments_make_no_event():
    assert decode(b": hello\n\nid: 1\n\nretry: 5\n\nevent: x\n\ndata: 1\n\n") == [("", b"1")]


@pytest.mark.parametrize("blank", [b"data:\n\n", b"data: \n\n", b"data\n\n", b"data:  \t \n\n", b"\n\n\n"])
def test_blank_data_is_a_keep_alive(blank: bytes):
    assert decode(b": x\n\n" + blank, blank, b"data: 1\n\n" + blank) == [("", b"1")]


def test_an_error_field_is_an_event_of_that_name():
    assert decode(b'error: {"code":400}\n\ndata: [DONE]\n\n') == [("error", b'{"code":400}'), ("", b"[DONE]")]


def test_a_clean_end_hands_over_the_event_without_its_blank_line():
    assert decode(b"data: 1\n\ndata: 2\n") == [("", b"1"), ("", b"2")]
    assert decode(b"data: 1\n\ndata: 2") == [("", b"1"), ("", b"2")]


def test_fields_without_colon_and_unknown_fields_pass_by():
    assert decode(b"x-trace: 1\nfoo\ndata: 1\n\n") == [("", b"1")]


def test_a_line_over_its_limit_is_refused_without_being_kept():
    decoder = SseDecoder(max_line_bytes=1000, max_stream_bytes=10**9)
    with pytest.raises(StreamTooLarge, match="line"):
        feed_all(decoder, [b"x" * 100] * 1000)
    assert decoder.close() is None


def test_a_whole_line_over_its_limit_is_refused_too():
    decoder = SseDecoder(max_line_bytes=10)
    with pytest.raises(StreamTooLarge, match="line"):
        decoder.feed(b"data: 1\n\ndata: " + b"x" * 20 + b"\n\n")
    decoder = SseDecoder(max_line_bytes=10)
    decoder.feed(b": x\n\n")
    with pytest.raises(StreamTooLarge, match="line") as caught:
        decoder.feed(b"data: 1\n\ndata: {" + b"x" * 20 + b"\n\n")
    assert caught.value.events == [("", b"1")]


def test_an_event_of_many_lines_has_the_limit_of_one():
    decoder = SseDecoder(max_line_bytes=100)
    with pytest.raises(StreamTooLarge, match="event"):
        feed_all(decoder, [b"data: xxxxxxxx\n"] * 50)


def test_a_line_without_end_costs_no_more_than_its_limit():
    decoder = SseDecoder()
    piece = b"x" * 1_000_000
    tracemalloc.start()
    with pytest.raises(StreamTooLarge, match="line"):
        feed_all(decoder, [b"data: ", *[piece] * 1000])
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 20_000_000


def test_a_stream_over_its_limit_is_refused():
    decoder = SseDecoder(max_stream_bytes=100)
    with pytest.raises(StreamTooLarge, match="stream"):
        feed_all(decoder, [b": alive\n\n"] * 50)


PIECES = st.sampled_from(
    [
        b"data: 1",
        b"data:{}",
        b"data",
        b"data: ",
        b"event: x",
        b": c",
        b"id: 4",
        b"error: e",
        b"\xef\xbb\xbf",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        "\u2028é😀".encode(),
    ]
)


@given(st.lists(PIECES, max_size=25).map(b"".join), st.data())
def test_every_way_of_cutting_the_bytes_gives_the_same_events(body: bytes, data: st.DataObject):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=12)))
    edges = [0, *cuts, len(body)]
    assert decode(*(body[a:b] for a, b in itertools.pairwise(edges))) == decode(
        *(body[i : i + 1] for i in range(len(body)))
    )
