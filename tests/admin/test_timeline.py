"""The bars of a run, from its rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chat.admin.timeline import Line, Timeline, seconds_words, timeline, waited_seconds
from chat.models import ModelCall, Run, ToolInvocation

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def run(until: float | None = 10, **more: Any) -> Run:
    return Run(created_at=NOON, finished_at=None if until is None else at(until), epoch=1, **more)


def call(start: float, seconds: float | None, **more: Any) -> ModelCall:
    milliseconds = None if seconds is None else round(seconds * 1000)
    usual = {"model": "m", "outcome": "completed", "connect_ms": 100, "ttft_ms": 300, "finish_reason": "stop"}
    return ModelCall(started_at=at(start), duration_ms=milliseconds, **(usual | more))


def tool(**more: Any) -> ToolInvocation:
    times = {name: at(value) for name, value in more.items() if name.endswith("_at")}
    usual = {"name": "lookup", "kind": "local", "status": "succeeded", "step": 1, "attempts": 1}
    return ToolInvocation(**(usual | more | times))


def drawn(*rows: ModelCall | ToolInvocation, of: Run | None = None, now: float = 10) -> Timeline:
    calls = [row for row in rows if isinstance(row, ModelCall)]
    return timeline(of or run(), calls, [row for row in rows if isinstance(row, ToolInvocation)], at(now))


def line(found: Timeline, label: str) -> Line:
    return next(line for line in found.lines if line.label == label)


def spans(line: Line) -> list[tuple[str, float, float]]:
    return [(span.kind, round(span.start, 3), round(span.end, 3)) for span in line.spans]


def labels(found: Timeline) -> list[str]:
    return [line.label for line in found.lines]


def test_a_call_is_its_line_its_way_to_the_first_token_and_its_stream():
    found = drawn(call(1, 4, queue_ms=500))

    assert spans(line(found, "Step 1 · m")) == [
        ("queue", 0.5, 1.0),
        ("connect", 1.0, 1.1),
        ("first", 1.1, 1.3),
        ("model", 1.3, 5.0),
    ]
    assert spans(line(found, "Queue, history")) == [("queue", 0.0, 0.5)]


def test_one_attempt_has_no_lines_below_it():
    assert labels(drawn(call(0, 4))) == ["Step 1 · m"]


def test_attempts_and_the_waits_between_them_stand_below_their_step():
    failed = call(0, 1, outcome="provider_overloaded", http_status=529, ttft_ms=None)
    found = drawn(failed, call(3, 2, attempt=2))

    assert labels(found) == [
        "Step 1 · m",
        "Attempt 1: 529 provider_overloaded",
        "Wait before attempt 2",
        "Attempt 2: stop",
    ]
    assert spans(line(found, "Attempt 1: 529 provider_overloaded")) == [("fail", 0.0, 1.0)]
    assert spans(line(found, "Wait before attempt 2")) == [("pause", 1.0, 3.0)]
    assert [one.sub for one in found.lines] == [False, True, True, True]


def test_a_stream_that_broke_shows_what_had_come_and_that_it_failed():
    found = drawn(call(0, 2, outcome="provider_cut"))

    assert spans(found.lines[0])[-2:] == [("model", 0.3, 2.0), ("fail", 2.0, 2.0)]


def test_a_takeover_is_a_line_and_who_was_lost_lasts_until_then():
    found = drawn(call(0, None, outcome="lost"), call(4, 2, epoch=2))

    assert "Taken over: epoch 2" in labels(found)
    assert spans(line(found, "Attempt 1: lost"))[-2] == ("model", 0.3, 4.0)


def test_a_tool_waits_for_a_worker_then_works():
    found = drawn(call(0, 1), tool(created_at=1, started_at=1.5, finished_at=3))

    assert spans(line(found, "lookup")) == [("queue", 1.0, 1.5), ("tool", 1.5, 3.0)]


def test_approval_is_a_wait_in_which_nobody_holds_the_run():
    asked = tool(created_at=1, decided_at=7, decision="approve", started_at=7, finished_at=8)
    found = drawn(call(0, 1), asked)

    assert spans(line(found, "lookup: approval")) == [("wait", 1.0, 7.0)]
    assert spans(line(found, "lookup")) == [("tool", 7.0, 8.0)]
    assert spans(line(found, "Parked: held by no process")) == [("parked", 1.0, 7.0)]
    assert waited_seconds(found.lines) == 6.0


def test_what_works_meanwhile_keeps_it_from_being_parked():
    asked = tool(created_at=1, decided_at=7, decision="reject", finished_at=7, status="rejected")
    found = drawn(call(0, 1), asked, tool(created_at=1, started_at=1, finished_at=4, position=1))

    assert spans(line(found, "Parked: held by no process")) == [("parked", 4.0, 7.0)]


def test_who_waits_for_its_caller_waits_until_that_has_answered():
    found = drawn(tool(kind="client", created_at=1, finished_at=5))

    assert spans(line(found, "lookup: its caller")) == [("wait", 1.0, 5.0)]


def test_a_failed_tool_says_so_in_words():
    found = drawn(tool(created_at=1, started_at=1, finished_at=2, status="timed_out", attempts=3))

    assert line(found, "lookup: 3 attempts, timed_out").bars[0].kind == "fail"


def test_a_stop_lasts_until_the_line_was_closed():
    stopped = run(stop_requested_at=at(2), stop_receipt={"upstream_closed_at": at(2.04).isoformat()})
    found = drawn(call(0, 2.04, outcome="stopped"), of=stopped)

    assert line(found, "Stop asked for").took == "40 ms"


def test_what_is_not_over_lasts_until_now():
    found = drawn(call(0, None, outcome="running"), of=run(until=None), now=5)

    assert spans(found.lines[0])[-1] == ("model", 0.3, 5.0)


def test_bars_are_per_cent_of_the_whole_and_the_shortest_can_be_seen():
    found = drawn(call(5, 0.001, ttft_ms=None))

    assert (found.lines[-1].bars[0].x, found.lines[-1].bars[0].width) == ("50.00%", "0.40%")
    assert [tick.label for tick in found.ticks] == ["0 s", "2 s", "4 s", "6 s", "8 s", "10 s"]


def test_each_line_is_told_in_words_too():
    assert line(drawn(call(1, 4)), "Step 1 · m").said == (
        "stop, from 1.0 s to 5.0 s: connect 0.10 s, to first token 0.20 s, streaming 3.7 s"
    )


def test_the_key_names_what_is_drawn_and_nothing_else():
    assert [kind for kind, _word in drawn(call(0, 1)).key] == ["connect", "first", "model"]


def test_a_run_of_very_many_lines_says_how_many_it_leaves_out():
    assert drawn(*(call(n / 100, 0.005, step=n) for n in range(250)), of=run(until=5)).left_out == 50


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.004, "4 ms"), (0.3, "0.30 s"), (18, "18.0 s"), (125, "2 min 5 s"), (8000, "2 h 13 min")],
)
def test_durations_are_written_with_their_unit(seconds: float, words: str):
    assert seconds_words(seconds) == words
