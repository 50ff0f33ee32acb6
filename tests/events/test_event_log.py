"""The contract of an event log, over every backend."""

import json

import pytest

from chat.conf import LogLimits
from chat.events.backends.base import FellBehind
from chat.events.backends.memory import MemoryEventLog
from chat.events.codec import Cursor
from chat.events.fold import RunState
from chat.events.run_events import RunStarted, StepStarted, TextDelta
from chat.exceptions import StaleEpoch

RUN = "01a1f885-9658-7379-8a68-88583f4e95df"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory"])
def log(request, clock):
    return MemoryEventLog(LogLimits(keep_seconds=600, run_bytes=4000, all_ended_bytes=20_000), clock)


def ignore():
    pass


def begin(log, *, epoch=1, state=None):
    log.begin(RUN, epoch, state or RunState())
    log.append(RUN, epoch, RunStarted(model="m", message="x"))
    log.append(RUN, epoch, StepStarted(step=1, model="m"))


def say(log, *texts, epoch=1):
    for text in texts:
        log.append(RUN, epoch, TextDelta(text))


def texts(entries):
    return [json.loads(made.frame)["event"].get("text") for made in entries]


def cursors(entries):
    return [str(made.cursor) for made in entries]


def test_events_are_numbered_from_one(log):
    begin(log)
    feed = log.follow(RUN, None, ignore)
    assert cursors(feed.take(10)) == ["1-1", "1-2"]


def test_a_feed_gives_what_came_before_and_what_comes_after(log):
    begin(log)
    say(log, "a")
    feed = log.follow(RUN, None, ignore)
    assert texts(feed.take(10)) == [None, None, "a"]
    say(log, "b", "c")
    assert texts(feed.take(10)) == ["b", "c"]
    assert feed.take(10) == []


@pytest.mark.parametrize("seen", range(6))
def test_resuming_after_any_cursor_loses_and_doubles_nothing(log, seen):
    begin(log)
    say(log, "a", "b", "c")
    feed = log.follow(RUN, Cursor(1, seen), ignore)
    assert cursors(feed.take(100)) == [f"1-{n}" for n in range(seen + 1, 6)]


def test_a_feed_takes_no_more_than_asked(log):
    begin(log)
    feed = log.follow(RUN, None, ignore)
    assert cursors(feed.take(1)) == ["1-1"]
    assert cursors(feed.take(1)) == ["1-2"]


def test_two_readers_do_not_disturb_each_other(log):
    begin(log)
    one, other = log.follow(RUN, None, ignore), log.follow(RUN, Cursor(1, 1), ignore)
    assert cursors(one.take(10)) == ["1-1", "1-2"]
    assert cursors(other.take(10)) == ["1-2"]


def test_readers_are_woken_by_news_until_they_leave(log):
    begin(log)
    woken = []
    feed = log.follow(RUN, None, lambda: woken.append(1))
    say(log, "a")
    feed.close()
    feed.close()
    say(log, "b")
    assert woken == [1]


def test_a_reader_may_leave_while_it_is_woken(log):
    begin(log)
    feeds = []
    feeds.append(log.follow(RUN, None, lambda: feeds[0].close()))
    feeds.append(log.follow(RUN, None, ignore))
    say(log, "a")
    assert texts(feeds[1].take(10))[-1] == "a"


@pytest.mark.parametrize("cursor", [Cursor(1, 3), Cursor(2, 0), Cursor(9, 9), Cursor(0, 1)])
def test_a_cursor_that_was_never_given_out_asks_for_a_snapshot(log, cursor):
    begin(log)
    with pytest.raises(FellBehind):
        log.follow(RUN, cursor, ignore)


def test_an_unknown_run_is_a_key_error(log):
    with pytest.raises(KeyError):
        log.follow("nobody", None, ignore)
    with pytest.raises(KeyError):
        log.follow_from_snapshot("nobody", ignore)


def test_a_snapshot_and_its_feed_are_of_one_instant(log):
    begin(log)
    say(log, "a", "b")
    snapshot, feed = log.follow_from_snapshot(RUN, ignore)
    say(log, "c")
    state = json.loads(snapshot.frame)["event"]["state"]
    assert state["steps"] == [{"step": 1, "finished": False, "parts": [{"type": "text", "text": "ab"}]}]
    assert snapshot.cursor == Cursor(1, 4)
    assert cursors(feed.take(10)) == ["1-5"]


def test_a_later_epoch_goes_on_in_the_same_feed(log):
    begin(log)
    feed = log.follow(RUN, None, ignore)
    begin(log, epoch=2)
    assert cursors(feed.take(10)) == ["1-1", "1-2", "2-1", "2-2"]


def test_a_cursor_of_an_earlier_epoch_is_still_good(log):
    begin(log)
    begin(log, epoch=2)
    assert cursors(log.follow(RUN, Cursor(1, 1), ignore).take(10)) == ["1-2", "2-1", "2-2"]


def test_a_stale_epoch_may_not_write(log):
    begin(log, epoch=2)
    with pytest.raises(StaleEpoch):
        say(log, "late", epoch=1)
    with pytest.raises(StaleEpoch):
        log.begin(RUN, 2, RunState())


def test_nothing_is_written_after_the_end(log):
    begin(log)
    log.end(RUN, 1)
    with pytest.raises(StaleEpoch):
        say(log, "late")


def test_an_ended_run_is_kept_for_its_time_and_then_forgotten(log, clock):
    begin(log)
    log.end(RUN, 1)
    clock.now += 599
    assert log.follow(RUN, None, ignore).take(10)
    clock.now += 2
    log.begin("another", 1, RunState())
    log.end("another", 1)
    with pytest.raises(KeyError):
        log.follow(RUN, None, ignore)


def test_a_running_run_is_never_forgotten(log, clock):
    begin(log)
    clock.now += 100_000
    log.begin("another", 1, RunState())
    log.end("another", 1)
    assert log.follow(RUN, None, ignore).take(10)


def test_a_run_that_outgrows_its_bytes_loses_the_oldest_events_and_says_so(log):
    begin(log)
    feed = log.follow(RUN, None, ignore)
    say(log, *("x" * 100 for _ in range(100)))
    with pytest.raises(FellBehind):
        feed.take(10)
    with pytest.raises(FellBehind):
        log.follow(RUN, None, ignore)
    snapshot, later = log.follow_from_snapshot(RUN, ignore)
    assert json.loads(snapshot.frame)["event"]["state"]["steps"][0]["parts"][0]["text"] == "x" * 10_000
    assert later.take(10) == []


def test_recent_cursors_outlive_the_trimming(log):
    begin(log)
    say(log, *("x" * 100 for _ in range(100)))
    assert cursors(log.follow(RUN, Cursor(1, 101), ignore).take(10)) == ["1-102"]


def test_ended_runs_together_stay_within_their_bytes(log):
    for number in range(30):
        log.begin(f"run {number}", 1, RunState())
        for _ in range(10):
            log.append(f"run {number}", 1, TextDelta("y" * 100))
        log.end(f"run {number}", 1)
    with pytest.raises(KeyError):
        log.follow("run 0", None, ignore)
    assert len(log.follow("run 29", None, ignore).take(100)) == 10
