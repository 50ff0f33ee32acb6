"""The event log of many processes. Runs made here are read from memory; what others make comes through Redis.

A Redis Stream per run; an entry's id is its cursor, so that Redis itself refuses duplicates and stale epochs. Redis
carries what happens, it is not asked for anything: while it is away runs go on, and when it is back, even empty,
each owner claims its streams again. The database stays the fence.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from chat.conf import StreamLimits
from chat.events.backends.base import Feed, UnknownRun
from chat.events.backends.memory import MemoryEventLog
from chat.events.backends.redis_check import what_to_set
from chat.events.backends.redis_mirror import MirrorFeed
from chat.events.backends.redis_reader import StreamReader
from chat.events.backends.redis_wire import LogAway, RedisWire
from chat.events.backends.redis_writer import StreamWriter
from chat.events.codec import Cursor, Entry
from chat.events.fold import RunState
from chat.events.run_events import RunEvent

logger = structlog.get_logger(__name__)

LAST_WORDS_SECONDS: Final = 0.5


class RedisEventLog:
    """Fulfils `EventLog`. `local` keeps what is made here; `stale(run, epoch)` is called where Redis has refused us.

    `name` is this process's among all. To be started on the event loop that it belongs to.
    """

    def __init__(
        self,
        url: str,
        local: MemoryEventLog,
        *,
        name: str,
        clock: Callable[[], float],
        stale: Callable[[str, int], None] = lambda run, epoch: None,
        limits: StreamLimits | None = None,
    ) -> None:
        limits = limits or StreamLimits()
        self._local = local
        self._stale = stale
        self._watchers: set[Callable[[], None]] = set()
        self._wires = [RedisWire(url) for _ in range(3)]
        writing, blocking, catching_up = self._wires
        self._writer = StreamWriter(writing, limits, clock=clock, stale=self._lost, changed=self._tell)
        self._reader = StreamReader(blocking, catching_up, limits, name=name, clock=clock, changed=self._tell)
        self._url = url
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def delayed(self) -> bool:
        return self._writer.away or self._reader.away

    @property
    def told(self) -> int:
        return self._local.told

    @property
    def told_bytes(self) -> int:
        return self._local.told_bytes

    def unwritten(self) -> tuple[int, int]:
        return self._writer.unwritten()

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        self._watchers.add(changed)
        return lambda: self._watchers.discard(changed)

    def start(self) -> None:
        for name, work in (
            ("event writer", self._writer.write_for_ever),
            ("event reader", self._reader.read_for_ever),
            ("event loader", self._reader.load_for_ever),
            ("event log check", self._check),
        ):
            self._tasks.append(asyncio.create_task(work(), name=name))

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(LogAway, TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._writer.flush()
        for wire in self._wires:
            await wire.aclose()

    # --- runs made here -----------------------------------------------------------------------------------

    def begin(self, run: str, epoch: int, state: RunState) -> None:
        self._local.begin(run, epoch, state)
        self._writer.begin(self._local.of(run))
        # Who reads it as another process's finds it here from now on.
        self._reader.drop(run)

    def append(self, run: str, epoch: int, event: RunEvent) -> Cursor:
        return self._local.append(run, epoch, event)

    def end(self, run: str, epoch: int) -> None:
        self._local.end(run, epoch)
        self._writer.end(run)

    def let_go(self, run: str, epoch: int) -> None:
        if run in self._local and self._local.of(run).epoch == epoch:
            self._writer.drop(run)
            self._local.forget(run)

    def forget_old(self) -> None:
        self._local.forget_old()
        self._writer.drop_forgotten()

    def _lost(self, run: str, epoch: int) -> None:
        self.let_go(run, epoch)
        self._stale(run, epoch)

    # --- readers ------------------------------------------------------------------------------------------

    def follow(self, run: str, after: Cursor | None, wake: Callable[[], None]) -> Feed:
        if run in self._local:
            return self._local.follow(run, after, wake)
        return MirrorFeed(self._reader.mirror(run), after, wake)

    def follow_from_snapshot(self, run: str, wake: Callable[[], None]) -> tuple[Entry, Feed]:
        if run in self._local:
            return self._local.follow_from_snapshot(run, wake)
        mirror = self._reader.known(run)
        if mirror is None:
            raise UnknownRun(run)
        snapshot, place = mirror.snapshot()
        return snapshot, MirrorFeed.at(mirror, place, wake)

    def _tell(self) -> None:
        for changed in tuple(self._watchers):
            changed()

    async def _check(self) -> None:
        """Once, when Redis first answers."""
        wire = RedisWire(self._url)
        try:
            while True:
                with suppress(LogAway):
                    for line in await what_to_set(wire):
                        logger.warning(line)
                    return
                await asyncio.sleep(1)
        finally:
            await wire.aclose()
