"""What the fleet is judged by can fail: whatever is not right about order, text, owner or stream is noticed."""

from typing import Any

import pytest

from chat.events.codec import Cursor
from tests.chaos.fleet import verdict, witness
from tests.chaos.fleet.bed import Stored
from tests.chaos.fleet.screen import Screen

STARTED = ("1-1", {"type": "run.started"})
STEP = ("1-2", {"type": "step.started", "step": 1})
END = {"type": "run.finished", "status": "completed"}


def said(cursor: str, text: str) -> tuple[str, dict[str, Any]]:
    return cursor, {"type": "text.delta", "text": text}


def snapshot(cursor: str, text: str) -> tuple[str, dict[str, Any]]:
    step = {"step": 1, "parts": [{"type": "text", "text": text}]}
    return cursor, {"type": "run.snapshot", "state": {"steps": [step]}}


def reset(cursor: str) -> tuple[str, dict[str, Any]]:
    return cursor, {"type": "step.reset", "step": 1}


Told = tuple[str, dict[str, Any]]


def screen_of(*events: Told) -> Screen:
    screen = Screen("r")
    for at, (cursor, event) in enumerate(events):
        screen.show({"cursor": cursor, "event": event}, float(at))
    return screen


def test_a_whole_answer_is_right():
    screen = screen_of(STARTED, STEP, said("1-3", "a"), said("1-4", "b"), ("1-5", END))
    assert verdict.seen_by_one(screen, "ab") == []


def test_one_that_was_taken_over_is_right():
    first: list[Told] = [STARTED, STEP, said("1-3", "a"), said("1-4", "b")]
    next_one: list[Told] = [snapshot("2-1", "a"), reset("2-2"), ("2-3", {"type": "step.started", "step": 1})]
    screen = screen_of(*first, *next_one, said("2-4", "ab"), ("2-5", END))
    assert verdict.seen_by_one(screen, "ab") == []
    assert (screen.epochs[2].first_at, screen.epochs[2].text_at) == (4.0, 7.0)
    assert screen.repaired == screen.steps_back == 0


def test_a_snapshot_in_the_middle_is_seen_as_one():
    screen = screen_of(
        STARTED, STEP, said("1-3", "a"), snapshot("1-9", "abc"), said("1-10", "d"), ("1-11", END)
    )
    assert verdict.seen_by_one(screen, "abcd") == []
    assert (screen.repaired, screen.steps_back) == (1, 0)
    assert screen_of(STARTED, STEP, said("1-3", "a"), snapshot("1-2", "")).steps_back == 1


@pytest.mark.parametrize(
    "events",
    [
        [STEP],
        [STARTED, said("1-3", "ab")],
        [STARTED, STEP, said("1-3", "ab"), said("1-3", "")],
        [STARTED, STEP, said("1-3", "ab"), said("1-2", "")],
        [STARTED, STEP, said("1-3", "ab"), said("2-1", "")],
        [STARTED, STEP, said("1-3", "ab"), snapshot("2-1", "ab"), said("1-4", "")],
    ],
    ids=["no beginning", "a gap", "twice", "backwards", "an epoch without a snapshot", "an old epoch"],
)
def test_a_wrong_order_is_noticed(events):
    screen = screen_of(*events)
    last = screen.last
    assert last is not None
    screen.show({"cursor": f"{last.epoch}-{last.seq + 1}", "event": END}, 9.0)
    assert len(verdict.seen_by_one(screen, screen.text)) == 1


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([STARTED, STEP, said("1-3", "a"), ("1-4", END)], "ab"),
        ([STARTED, STEP, said("1-3", "a")], "a"),
        ([STARTED, STEP, said("1-3", "a"), ("1-4", END), ("1-5", END)], "a"),
        ([STARTED, STEP, said("1-3", "a"), ("1-4", {**END, "status": "failed"})], "a"),
    ],
    ids=["another text", "no end", "two ends", "failed"],
)
def test_a_wrong_answer_is_noticed(events, text):
    assert verdict.seen_by_one(screen_of(*events), text)


@pytest.mark.parametrize(
    "rows",
    [
        {},
        {"r": Stored("r", "running", 1, "ab", 1)},
        {"r": Stored("r", "completed", 1, "a", 1)},
        {"r": Stored("r", "completed", 1, "ab", 1), "s": Stored("s", "completed", 1, "", 1)},
    ],
    ids=["nothing", "open", "another text", "one too many"],
)
def test_what_is_stored_wrongly_is_noticed(rows):
    assert len(verdict.stored(rows, {"r": "ab"})) == 1


RIGHT = [
    (1, "web-0", "start", "r", None, 1),
    (2, "web-0", "run", "r", 1, 1, False, False),
    (2, "web-0", "text", "r"),
    (3, "web-1", "run", "r", 1, 2, False, False),
    (4, "web-1", "text", "r"),
    (5, "web-1", "run", "r", 2, 2, False, True),
    (5, "web-1", "text", "r"),
]


def test_writes_of_owners_are_right():
    rows = witness.as_told(RIGHT)
    assert witness.complaints(rows) == []
    assert witness.ends_of(rows) == {"r": 1}


@pytest.mark.parametrize(
    ("place", "row"),
    [
        (5, (9, "web-0", "text", "r")),
        (5, (9, "web-0", "run", "r", 2, 2, False, False)),
        (7, (9, "web-1", "text", "r")),
        (7, (9, "web-1", "run", "r", 2, 3, True, True)),
        (5, (9, "web-0", "run", "r", 2, 4, False, False)),
    ],
    ids=["stale text", "stale run", "after the end", "claimed after the end", "an epoch left out"],
)
def test_a_wrong_write_is_noticed(place, row):
    assert witness.complaints(witness.as_told([*RIGHT[:place], row, *RIGHT[place:]]))


def test_a_second_end_is_noticed():
    again = (6, "web-1", "run", "r", 2, 2, False, True)
    assert witness.ends_of(witness.as_told([*RIGHT, again])) == {"r": 2}


@pytest.mark.parametrize(
    ("stream", "complaints"),
    [
        (["c 1-0", "1-1", "1-2", "c 2-0", "2-1"], 0),
        ([], 1),
        (["c 1-0", "1-1", "c 2-0", "1-2"], 2),
        (["c 1-0", "1-1", "1-3"], 1),
        (["c 1-0", "1-1", "2-1"], 1),
    ],
    ids=["right", "empty", "an old epoch", "a hole", "no claim"],
)
def test_a_wrong_stream_is_noticed(stream, complaints):
    cursors = [(Cursor.parse(entry.removeprefix("c ")), entry.startswith("c ")) for entry in stream]
    assert len(verdict.stream_complaints(cursors)) == complaints
