"""Two processes and the Redis between them: claims, what is lost with it, and what is said of it."""

import asyncio
import functools
import signal
from contextlib import AsyncExitStack, suppress

import pytest
import redis

from chat.conf import LogLimits, StreamLimits
from chat.events.backends import redis_reader, redis_wire
from chat.events.backends.base import Feed, FellBehind, UnknownRun
from chat.events.backends.redis import RedisEventLog
from chat.events.backends.redis_outgoing import stream_key
from chat.events.codec import Cursor, Entry, decode_event
from chat.events.fold import RunState
from chat.exceptions import StaleEpoch
from tests.events.conftest import started
from tests.events.logs import Rig, cursors, events, exactly, ignore, taken, texts, until
from tests.services import mortal_redis as mortal_redis  # the name is the fixture

LARGE = LogLimits(keep_seconds=600, run_bytes=400_000, all_ended_bytes=4_000_000)


@pytest.fixture
def server(redis_url: str):
    with redis.Redis.from_url(redis_url) as client:
        yield client


def ids(server, run: str) -> list[str]:
    return [name.decode() for name, _ in server.xrange(stream_key(run))]


# --- claims -------------------------------------------------------------------------------------------


async def test_a_claim_stands_in_the_stream_before_anything_is_told(apart: Rig, server):
    apart.writer.begin(apart.run, 3, RunState())
    await until(lambda: ids(server, apart.run) == ["3-0"])


async def test_an_epoch_that_another_process_has_overtaken_learns_so_and_stops(redis_url: str):
    lost: list[tuple[str, int]] = []
    async with AsyncExitStack() as stack:
        first = await started(stack, redis_url, stale=lambda run, epoch: lost.append((run, epoch)))
        second = await started(stack, redis_url)
        zombie = Rig(first, first)
        owner = Rig(second, first, zombie.run)
        zombie.begin()
        feed = await zombie.caught_up("1-2")
        await until(lambda: "1-2" in _stream(redis_url, zombie.run))
        owner.begin(epoch=2)
        await until(lambda: "2-2" in _stream(redis_url, zombie.run))
        zombie.say("nobody shall see this elsewhere")
        await until(lambda: lost == [(zombie.run, 1)])
        with pytest.raises(StaleEpoch):
            zombie.say("late")
        # Who has read it at the zombie's goes on with what the owner says.
        with pytest.raises(FellBehind):
            await taken(feed, 2)
        follow = await owner.caught_up("2-2")
        assert _stream(redis_url, zombie.run) == ["1-0", "1-1", "1-2", "2-0", "2-1", "2-2"]
        follow.close()


async def test_a_stale_epoch_does_not_keep_other_runs_from_being_written(redis_url: str):
    async with AsyncExitStack() as stack:
        first, second = await started(stack, redis_url), await started(stack, redis_url)
        zombie, other = Rig(first, second), Rig(first, second)
        zombie.begin()
        other.begin()
        await until(lambda: "1-2" in _stream(redis_url, zombie.run))
        Rig(second, second, zombie.run).begin(epoch=2)
        await until(lambda: "2-2" in _stream(redis_url, zombie.run))
        zombie.say("late")
        other.say("a")
        assert texts(await other.read(None, 3))[-1] == "a"


async def test_the_owner_s_readers_find_a_run_that_is_taken_over_here(apart: Rig):
    apart.begin()
    feed = await apart.caught_up("1-2")
    taken_over = Rig(apart.reader, apart.reader, apart.run)
    taken_over.begin(epoch=2)
    with pytest.raises(FellBehind):
        feed.take(1)
    snapshot, feed = apart.reader.follow_from_snapshot(apart.run, ignore)
    assert snapshot.cursor == Cursor(2, 2)
    taken_over.say("a", epoch=2)
    assert cursors(feed.take(10)) == ["2-3"]


# --- what is kept -------------------------------------------------------------------------------------


async def test_a_stream_expires_a_day_after_the_end(apart: Rig, server):
    apart.begin()
    apart.finish()
    await until(lambda: "1-3" in ids(server, apart.run))
    assert 86_000 < server.ttl(stream_key(apart.run)) <= 86_400


async def test_a_run_that_its_maker_has_forgotten_is_still_read_from_redis(apart: Rig):
    apart.begin()
    apart.finish()
    await apart.caught_up("1-3")
    assert isinstance(apart.writer, RedisEventLog)
    apart.writer._local.forget(apart.run)
    again = Rig(apart.writer, apart.writer, apart.run)
    assert cursors(await again.read(Cursor(1, 1), 2)) == ["1-2", "1-3"]


async def test_a_stream_stays_within_the_bytes_of_a_run(apart: Rig, server):
    apart.begin()
    for _ in range(20):
        apart.say(*("x" * 100 for _ in range(10)))
        await asyncio.sleep(0.01)
    await until(lambda: ids(server, apart.run)[-1:] == ["1-202"])
    held = server.xrange(stream_key(apart.run))
    assert sum(len(fields.get(b"e", b"")) for _, fields in held) < 4000
    assert sum(1 for _, fields in held if b"s" in fields) >= 1


async def test_an_idle_writer_writes_at_once(apart: Rig):
    apart.begin()
    feed = await apart.caught_up("1-2")
    clock = asyncio.get_running_loop().time
    waits = []
    for _ in range(20):
        await asyncio.sleep(0.05)
        news = asyncio.Event()
        feed.close()
        feed = apart.follow(feed.cursor, news.set)
        began = clock()
        apart.say("a")
        await taken(feed, 1)
        waits.append(clock() - began)
    assert sorted(waits)[10] < 0.03


# --- a reader that knows more than has come here ----------------------------------------------------------


async def test_a_reader_that_comes_from_the_maker_is_not_sent_back(apart: Rig):
    apart.begin()
    await apart.caught_up("1-2")
    feed = apart.follow(Cursor(1, 3))
    assert feed.take(1) == []
    apart.say("seen already", "new")
    assert texts(await taken(feed, 1)) == ["new"]


async def test_a_copy_is_dropped_with_its_last_reader(apart: Rig):
    apart.begin()
    feed = await apart.caught_up("1-2")
    other = apart.follow()
    assert isinstance(apart.reader, RedisEventLog)
    feed.close()
    assert len(apart.reader._reader) == 1
    other.close()
    assert len(apart.reader._reader) == 0


async def test_copies_together_stay_within_their_bytes(redis_url: str):
    async with AsyncExitStack() as stack:
        writer = await started(stack, redis_url)
        reader = await started(stack, redis_url, streams=StreamLimits(all_copies_bytes=200))
        first, second = Rig(writer, reader), Rig(writer, reader)
        for rig in (first, second):
            rig.begin()
            rig.say("x" * 100)
        await first.caught_up("1-3")
        with pytest.raises(UnknownRun):
            second.follow()


# --- Redis goes, and comes back with nothing ------------------------------------------------------------------


class Viewer:
    """Folds what it is told, as a browser does; begins anew from a snapshot where it has to."""

    def __init__(self, rig: Rig):
        self.rig = rig
        self.state = RunState()
        self.feed: Feed | None = None
        self.cursor: Cursor | None = None
        self.snapshots = 0
        self.seen_at: dict[Cursor, float] = {}

    def take(self) -> list[Entry]:
        if self.feed is None:
            self.feed = self.rig.follow(self.cursor)
        before = self.feed
        try:
            return before.take(1000)
        except FellBehind:
            self.feed = None
            with suppress(UnknownRun):
                snapshot, self.feed = self.rig.reader.follow_from_snapshot(self.rig.run, ignore)
                self.snapshots += 1
                return [snapshot]
        except UnknownRun:
            self.feed = None
        finally:
            if self.feed is not before:
                before.close()
        return []

    def look(self) -> "Viewer":
        entries = self.take()
        for made, event in zip(entries, events(entries), strict=True):
            if event["type"] != "run.snapshot" and self.cursor is not None:
                assert made.cursor > self.cursor, "doubled or out of order"
                assert made.cursor.seq in (1, self.cursor.seq + 1), "lost"
            self.cursor = made.cursor
            self.seen_at[made.cursor] = asyncio.get_running_loop().time()
            self.state.apply(decode_event(made.frame[made.frame.index('"event":') + 8 : -1]))
        return self

    def has_heard(self, last: str) -> bool:
        return self.look().text.endswith(last)

    @property
    def text(self) -> str:
        return "".join(part["text"] for part in self.state.parts)

    async def look_for_ever(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(0.005)


async def test_nothing_is_lost_or_doubled_when_redis_is_killed_and_comes_back_empty(mortal_redis):
    async with AsyncExitStack() as stack:
        writer = await started(stack, mortal_redis.url, limits=LARGE, streams=StreamLimits())
        reader = await started(stack, mortal_redis.url, limits=LARGE, streams=StreamLimits())
        rig = Rig(writer, reader)
        rig.begin()
        viewers = [Viewer(rig), Viewer(Rig(writer, writer, rig.run))]
        looking = [asyncio.create_task(viewer.look_for_ever()) for viewer in viewers]
        said = ""
        for number in range(300):
            if number == 100:
                mortal_redis.kill()
            if number == 200:
                await asyncio.to_thread(mortal_redis.start)
                back_at = asyncio.get_running_loop().time()
            rig.say(f"{number} ")
            said += f"{number} "
            if number == 150:
                assert reader.delayed
                assert writer.delayed
                assert viewers[1].text.endswith("150 ") or viewers[1].text.endswith("149 ")
            await asyncio.sleep(0.005)
        await until(lambda: all(viewer.text == said for viewer in viewers))
        assert viewers[0].cursor is not None
        caught_up_at = viewers[0].seen_at[viewers[0].cursor]
        assert caught_up_at - back_at < 3
        assert viewers[1].snapshots == 0
        rig.finish()
        await until(lambda: all(viewer.state.status == "completed" for viewer in viewers))
        assert not reader.delayed
        assert not writer.delayed
        for task in looking:
            task.cancel()


async def test_a_redis_that_hangs_for_a_while_loses_and_doubles_nothing(mortal_redis, monkeypatch):
    monkeypatch.setattr(redis_wire, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(redis_reader, "BLOCK_MS", 100)
    async with AsyncExitStack() as stack:
        writer, reader = await started(stack, mortal_redis.url), await started(stack, mortal_redis.url)
        rig = Rig(writer, reader)
        rig.begin()
        viewer = Viewer(rig)
        await until(lambda: viewer.look().cursor == (1, 2))
        for number in range(3):
            rig.say(f"{number} before ")
            mortal_redis.process.send_signal(signal.SIGSTOP)
            rig.say(f"{number} in ")
            await until(lambda: writer.delayed and reader.delayed)
            rig.say(f"{number} late ")
            mortal_redis.process.send_signal(signal.SIGCONT)
            await until(functools.partial(viewer.has_heard, f"{number} late "))
            await until(lambda: not (writer.delayed or reader.delayed))
        assert viewer.text == "".join(f"{n} before {n} in {n} late " for n in range(3))
        assert viewer.snapshots == 0


async def test_an_owner_with_nothing_to_say_claims_its_stream_again(mortal_redis):
    async with AsyncExitStack() as stack:
        writer = await started(stack, mortal_redis.url)
        rig = Rig(writer, writer)
        rig.begin()
        await until(lambda: _stream(mortal_redis.url, rig.run) == ["1-0", "1-1", "1-2"])
        mortal_redis.kill()
        await asyncio.to_thread(mortal_redis.start)
        await until(lambda: _stream(mortal_redis.url, rig.run) == ["1-0", "1-2"], patience_seconds=5)


async def test_a_stream_that_vanished_alone_is_begun_anew_with_the_state(apart: Rig, server):
    apart.begin()
    apart.say("a")
    feed = await apart.caught_up("1-3")
    server.delete(stream_key(apart.run))
    apart.say("b")
    await until(lambda: ids(server, apart.run) == ["1-0", "1-4"])
    with pytest.raises(FellBehind):
        await taken(feed, 1)
    snapshot, feed = apart.reader.follow_from_snapshot(apart.run, ignore)
    assert events([snapshot])[0]["state"]["steps"][0]["parts"] == [{"type": "text", "text": "ab"}]
    apart.say("c")
    assert texts(await exactly(feed, 1)) == ["c"]


async def test_something_else_under_a_stream_s_name_is_replaced_and_holds_up_nobody(apart: Rig, server):
    apart.begin()
    apart.say("a")
    await apart.caught_up("1-3")
    server.delete(stream_key(apart.run))
    server.set(stream_key(apart.run), "somebody else's")
    apart.say("b")
    await until(lambda: server.type(stream_key(apart.run)) == b"stream")
    await until(lambda: ids(server, apart.run) == ["1-0", "1-4"])
    assert not apart.writer.delayed


async def test_a_run_that_ends_while_redis_is_away_is_told_as_ended_afterwards(mortal_redis):
    async with AsyncExitStack() as stack:
        writer, reader = await started(stack, mortal_redis.url), await started(stack, mortal_redis.url)
        rig = Rig(writer, reader)
        rig.begin()
        viewer = Viewer(rig)
        await until(lambda: viewer.look().cursor == (1, 2))
        mortal_redis.kill()
        rig.say("unheard")
        rig.finish()
        await asyncio.to_thread(mortal_redis.start)
        await until(lambda: viewer.look().state.status == "completed")
        assert viewer.text == "unheard"


async def test_more_than_memory_holds_while_redis_is_away_comes_as_a_snapshot(mortal_redis):
    async with AsyncExitStack() as stack:
        writer, reader = await started(stack, mortal_redis.url), await started(stack, mortal_redis.url)
        rig = Rig(writer, reader)
        rig.begin()
        viewer = Viewer(rig)
        await until(lambda: viewer.look().cursor == (1, 2))
        mortal_redis.kill()
        rig.say(*("x" * 100 for _ in range(200)))
        assert writer._local.of(rig.run).size <= 4000
        await asyncio.to_thread(mortal_redis.start)
        await until(lambda: viewer.look().text == "x" * 20_000)
        assert viewer.snapshots == 1


async def test_redis_is_not_there_at_the_start_and_comes_later(mortal_redis):
    mortal_redis.kill()
    async with AsyncExitStack() as stack:
        writer, reader = await started(stack, mortal_redis.url), await started(stack, mortal_redis.url)
        rig = Rig(writer, reader)
        rig.begin()
        changes: list[bool] = []
        reader.watch(lambda: changes.append(reader.delayed))
        feed = rig.follow()
        await until(lambda: changes == [True])
        assert feed.late
        await asyncio.to_thread(mortal_redis.start)
        assert cursors(await taken(feed, 2)) == ["1-1", "1-2"]
        await until(lambda: changes == [True, False])
        assert not feed.late


def _stream(url: str, run: str) -> list[str]:
    with redis.Redis.from_url(url) as client:
        return ids(client, run)
