"""Event logs as tests use them: one that writes, one that is read, and what is told through them."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from chat.conf import LogLimits, StreamLimits
from chat.events.backends.base import EventLog, Feed
from chat.events.backends.memory import MemoryEventLog
from chat.events.backends.redis import RedisEventLog
from chat.events.codec import Cursor, Entry
from chat.events.fold import RunState
from chat.events.run_events import RunFinished, RunStarted, StepStarted, TextDelta, UsageFigures

SMALL = LogLimits(keep_seconds=600, run_bytes=4000, all_ended_bytes=20_000)
SMALL_COPIES = StreamLimits(copy_bytes=4000, ahead_seconds=0.3, unclaimed_seconds=1.0)


def ignore() -> None:
    pass


def new_run() -> str:
    return str(uuid.uuid4())


def redis_log(
    url: str, limits: LogLimits = SMALL, streams: StreamLimits = SMALL_COPIES, **more
) -> RedisEventLog:
    """A process of its own, as far as Redis knows. To be started."""
    local = MemoryEventLog(limits, time.monotonic)
    return RedisEventLog(url, local, name=uuid.uuid4().hex, clock=time.monotonic, limits=streams, **more)


@dataclass
class Rig:
    """One run of one writer, and the log that is asked about it: the same, or another process's."""

    writer: EventLog
    reader: EventLog
    run: str = field(default_factory=new_run)

    @property
    def apart(self) -> bool:
        return self.writer is not self.reader

    def begin(self, *, epoch: int = 1, state: RunState | None = None) -> None:
        self.writer.begin(self.run, epoch, state or RunState())
        self.writer.append(self.run, epoch, RunStarted(model="m", message="x"))
        self.writer.append(self.run, epoch, StepStarted(step=1, model="m"))

    def say(self, *texts: str, epoch: int = 1) -> None:
        for text in texts:
            self.writer.append(self.run, epoch, TextDelta(text))

    def finish(self, *, epoch: int = 1) -> None:
        self.writer.append(self.run, epoch, finished())
        self.writer.end(self.run, epoch)

    def follow(self, after: Cursor | None = None, wake: Callable[[], None] = ignore) -> Feed:
        return self.reader.follow(self.run, after, wake)

    async def read(self, after: Cursor | None, count: int) -> list[Entry]:
        """What comes after a cursor: so many, and not one more."""
        feed = self.follow(after)
        try:
            return await exactly(feed, count)
        finally:
            feed.close()

    async def caught_up(self, last: str) -> Feed:
        """A feed that has read up to this cursor."""
        feed = self.follow()
        while str(feed.cursor) != last:
            await taken(feed, 1)
        return feed


def finished() -> RunFinished:
    return RunFinished("completed", UsageFigures(), None, 1, 2, None)


async def taken(feed: Feed, count: int, *, patience_seconds: float = 5.0) -> list[Entry]:
    """The next entries, as many as asked for."""
    entries: list[Entry] = []
    async with asyncio.timeout(patience_seconds):
        while len(entries) < count:
            entries += feed.take(count - len(entries))
            if len(entries) < count:
                await asyncio.sleep(0.005)
    return entries


async def exactly(feed: Feed, count: int) -> list[Entry]:
    entries = await taken(feed, count) if count else []
    await asyncio.sleep(0.05)
    assert feed.take(100) == []
    return entries


async def until(happened: Callable[[], object], *, patience_seconds: float = 10.0) -> None:
    async with asyncio.timeout(patience_seconds):
        while not happened():
            await asyncio.sleep(0.005)


def events(entries: list[Entry]) -> list[dict]:
    return [json.loads(made.frame)["event"] for made in entries]


def texts(entries: list[Entry]) -> list[str | None]:
    return [event.get("text") for event in events(entries)]


def cursors(entries: list[Entry]) -> list[str]:
    return [str(made.cursor) for made in entries]
