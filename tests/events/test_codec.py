import json

import pytest

from chat.events.codec import Cursor, decode_event, entry
from chat.events.run_events import RunFinished, TextDelta, ToolWaiting, UsageFigures
from chat.exceptions import BadCursor


@pytest.mark.parametrize("text", ["1-5", "12-0", "2-1099511627776"])
def test_a_cursor_reads_back_as_it_was_written(text):
    assert str(Cursor.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "1", "1-", "-1", "1-1-1", "01-1", "a-b", "1 -2", "１-２", "1-99999999999999999999"]
)
def test_anything_else_is_a_bad_cursor(text):
    with pytest.raises(BadCursor):
        Cursor.parse(text)


def test_cursors_compare_as_two_integers():
    assert Cursor(1, 9) < Cursor(1, 10) < Cursor(2, 1)


def test_a_frame_carries_run_cursor_and_event():
    made = entry("r", Cursor(2, 7), TextDelta('say "hi"\n'))
    assert json.loads(made.frame) == {
        "type": "event",
        "run": "r",
        "cursor": "2-7",
        "event": {"type": "text.delta", "text": 'say "hi"\n'},
    }


def test_the_size_of_an_entry_is_near_the_size_of_its_frame():
    made = entry("01a1f885-9658-7379-8a68-88583f4e95df", Cursor(1, 1), TextDelta("word " * 100))
    assert len(made.frame) <= made.size + 40


def test_absent_errors_and_receipts_are_left_out_of_the_end():
    end = RunFinished(
        status="completed", usage=UsageFigures(), cost=None, ttft_ms=1, duration_ms=2, tokens_per_second=None
    )
    event = json.loads(entry("r", Cursor(1, 1), end).frame)["event"]
    assert "error" not in event
    assert "stop_receipt" not in event


def test_what_a_tool_waits_for_travels_as_for():
    event = json.loads(entry("r", Cursor(1, 1), ToolWaiting(invocation="i", for_="approval")).frame)["event"]
    assert event["for"] == "approval"
    assert decode_event(json.dumps(event)) == ToolWaiting(invocation="i", for_="approval")
