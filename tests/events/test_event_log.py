"""The contract of an event log, over every backend: read where it is written, and in another process."""

import pytest

from chat.events.backends.base import FellBehind, UnknownRun
from chat.events.codec import Cursor
from chat.events.fold import RunState
from chat.exceptions import StaleEpoch
from tests.events.logs import Rig, cursors, events, exactly, ignore, new_run, taken, texts, until


async def test_events_are_numbered_from_one(rig: Rig):
    rig.begin()
    assert cursors(await rig.read(None, 2)) == ["1-1", "1-2"]


async def test_a_feed_gives_what_came_before_and_what_comes_after(rig: Rig):
    rig.begin()
    rig.say("a")
    feed = rig.follow()
    assert texts(await exactly(feed, 3)) == [None, None, "a"]
    rig.say("b", "c")
    assert texts(await exactly(feed, 2)) == ["b", "c"]


@pytest.mark.parametrize("seen", range(6))
async def test_resuming_after_any_cursor_loses_and_doubles_nothing(rig: Rig, seen):
    rig.begin()
    rig.say("a", "b", "c")
    assert cursors(await rig.read(Cursor(1, seen), 5 - seen)) == [f"1-{n}" for n in range(seen + 1, 6)]


async def test_a_feed_takes_no_more_than_asked(rig: Rig):
    rig.begin()
    feed = rig.follow()
    assert cursors(await taken(feed, 1)) == ["1-1"]
    assert cursors(feed.take(1)) == ["1-2"]


async def test_two_readers_do_not_disturb_each_other(rig: Rig):
    rig.begin()
    one, other = rig.follow(), rig.follow(Cursor(1, 1))
    assert cursors(await exactly(one, 2)) == ["1-1", "1-2"]
    one.close()
    assert cursors(await exactly(other, 1)) == ["1-2"]
    rig.say("a")
    assert texts(await exactly(other, 1)) == ["a"]


async def test_readers_are_woken_by_news_until_they_leave(rig: Rig):
    rig.begin()
    woken: list[int] = []
    feed = rig.follow(None, lambda: woken.append(1))
    await taken(feed, 2)
    woken.clear()
    rig.say("a")
    await until(lambda: woken)
    await taken(feed, 1)
    feed.close()
    feed.close()
    woken.clear()
    rig.say("b")
    await rig.read(None, 4)
    assert woken == []


async def test_a_reader_may_leave_while_it_is_woken(rig: Rig):
    rig.begin()
    feeds = []
    feeds.append(rig.follow(None, lambda: feeds[0].close()))
    feeds.append(rig.follow())
    rig.say("a")
    assert texts(await taken(feeds[1], 3))[-1] == "a"


@pytest.mark.parametrize("cursor", [Cursor(1, 3), Cursor(2, 0), Cursor(9, 9), Cursor(0, 1)])
async def test_a_cursor_that_was_never_given_out_asks_for_a_snapshot(rig: Rig, cursor):
    rig.begin()
    await rig.caught_up("1-2")
    with pytest.raises(FellBehind):
        await rig.read(cursor, 1)


async def test_an_unknown_run_is_told_as_such(rig: Rig):
    rig.run = new_run()
    with pytest.raises(UnknownRun):
        await rig.read(None, 1)
    with pytest.raises(UnknownRun):
        rig.reader.follow_from_snapshot(rig.run, ignore)


async def test_a_snapshot_and_its_feed_are_of_one_instant(rig: Rig):
    rig.begin()
    rig.say("a", "b")
    await rig.caught_up("1-4")
    snapshot, feed = rig.reader.follow_from_snapshot(rig.run, ignore)
    rig.say("c")
    (event,) = events([snapshot])
    assert event["state"]["steps"] == [
        {"step": 1, "finished": False, "parts": [{"type": "text", "text": "ab"}]}
    ]
    assert snapshot.cursor == Cursor(1, 4)
    assert cursors(await exactly(feed, 1)) == ["1-5"]


async def test_the_end_comes_after_a_snapshot_of_it(rig: Rig):
    rig.begin()
    rig.say("a")
    rig.finish()
    await rig.caught_up("1-4")
    snapshot, feed = rig.reader.follow_from_snapshot(rig.run, ignore)
    assert snapshot.cursor == Cursor(1, 3)
    assert not feed.done
    assert [event["type"] for event in events(await taken(feed, 1))] == ["run.finished"]
    assert feed.done


async def test_a_feed_is_done_when_the_end_was_taken(rig: Rig):
    rig.begin()
    feed = rig.follow()
    await exactly(feed, 2)
    assert not feed.done
    rig.finish()
    await taken(feed, 1)
    await until(lambda: feed.done)


async def test_a_later_epoch_goes_on_in_the_same_feed(rig: Rig):
    rig.begin()
    feed = rig.follow()
    assert cursors(await exactly(feed, 2)) == ["1-1", "1-2"]
    rig.begin(epoch=2)
    assert cursors(await exactly(feed, 2)) == ["2-1", "2-2"]


async def test_a_cursor_of_an_earlier_epoch_is_still_good(rig: Rig):
    rig.begin()
    await rig.caught_up("1-2")
    rig.begin(epoch=2)
    assert cursors(await rig.read(Cursor(1, 1), 3)) == ["1-2", "2-1", "2-2"]


async def test_a_stale_epoch_may_not_write(rig: Rig):
    rig.begin(epoch=2)
    with pytest.raises(StaleEpoch):
        rig.say("late", epoch=1)
    with pytest.raises(StaleEpoch):
        rig.writer.begin(rig.run, 2, RunState())


async def test_nothing_is_written_after_the_end(rig: Rig):
    rig.begin()
    rig.writer.end(rig.run, 1)
    with pytest.raises(StaleEpoch):
        rig.say("late")


async def test_nothing_is_written_by_who_has_let_go(rig: Rig):
    rig.begin()
    rig.writer.let_go(rig.run, 1)
    with pytest.raises(StaleEpoch):
        rig.say("late")


async def test_readers_of_a_run_that_was_let_go_hear_of_its_next_epoch(rig: Rig):
    rig.begin()
    feed = await rig.caught_up("1-2")
    rig.writer.let_go(rig.run, 1)
    assert not feed.done
    rig.begin(epoch=2)
    try:
        entries = await exactly(feed, 2)
    except FellBehind:
        snapshot, feed = rig.reader.follow_from_snapshot(rig.run, ignore)
        entries = [snapshot]
    assert cursors(entries)[-1] == "2-2"


async def test_a_run_that_outgrows_its_bytes_loses_the_oldest_events_and_says_so(rig: Rig):
    rig.begin()
    feed = rig.follow()
    rig.say(*("x" * 100 for _ in range(100)))
    with pytest.raises(FellBehind):
        await taken(feed, 102)
    with pytest.raises(FellBehind):
        await rig.read(None, 1)
    snapshot, later = rig.reader.follow_from_snapshot(rig.run, ignore)
    (event,) = events([snapshot])
    assert event["state"]["steps"][0]["parts"][0]["text"] == "x" * 10_000
    assert later.take(10) == []
    rig.say("y")
    assert texts(await exactly(later, 1)) == ["y"]


async def test_recent_cursors_outlive_the_trimming(rig: Rig):
    rig.begin()
    rig.say(*("x" * 100 for _ in range(100)))
    assert cursors(await rig.read(Cursor(1, 101), 1)) == ["1-102"]
