"""The one reader of a process: all runs of other processes that its readers want, by a single multiplexed XREAD.

A run that is new is first caught up with on a second connection and then joins the XREAD. That is woken through a
control stream, which is in its set: unlike CLIENT UNBLOCK, an entry there cannot come too early or too late.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from chat.conf import StreamLimits
from chat.events.backends.base import UnknownRun
from chat.events.backends.redis_mirror import Mirror
from chat.events.backends.redis_outgoing import stream_key
from chat.events.backends.redis_wire import LogAway, RedisWire, command, parsed, retry_in

logger = structlog.get_logger(__name__)

BLOCK_MS: Final = 1000
"""The net under the control stream."""
ENTRIES_AT_ONCE: Final = 500
PAUSE_A_STREAM_SECONDS: Final = 0.00002
"""A round costs about 8 µs a stream; so it takes a third of a core at most, however many processes write."""
CONTROL_EXPIRES_SECONDS: Final = 3600


class StreamReader:
    """`name` is this process's among all; `changed` is called when `away` has changed."""

    def __init__(
        self,
        blocking: RedisWire,
        wire: RedisWire,
        limits: StreamLimits,
        *,
        name: str,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self._blocking = blocking
        self._wire = wire
        self._limits = limits
        self._clock = clock
        self._changed = changed
        self._control = f"events:control:{name}"
        self._control_seen = "0-0"
        self._mirrors: dict[str, Mirror] = {}
        self._joined: dict[str, Mirror] = {}
        """By the stream's key."""
        self._to_load: dict[str, Mirror] = {}
        self._asked = asyncio.Event()
        self._wanted = asyncio.Event()
        self.away = False

    def __len__(self) -> int:
        return len(self._mirrors)

    def mirror(self, run: str) -> Mirror:
        """The copy of a run; one that is new is being loaded.

        Raises:
            UnknownRun: the copies there are take all the memory that they may.
        """
        found = self._mirrors.get(run)
        if found is None:
            if self._bytes > self._limits.all_copies_bytes:
                raise UnknownRun(run)
            found = Mirror(run, self._limits, clock=self._clock, away=lambda: self.away, left=self._release)
            self._mirrors[run] = self._to_load[run] = found
            self._asked.set()
            self._wanted.set()
        return found

    def known(self, run: str) -> Mirror | None:
        return self._mirrors.get(run)

    def drop(self, run: str) -> None:
        mirror = self._mirrors.pop(run, None)
        self._to_load.pop(run, None)
        self._joined.pop(stream_key(run), None)
        if mirror is not None:
            mirror.retire()

    def _release(self, mirror: Mirror) -> None:
        if self._mirrors.get(mirror.run) is mirror:
            self.drop(mirror.run)

    # --- catching up ------------------------------------------------------------------------------------

    async def load_for_ever(self) -> None:
        failures = 0
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                while self._to_load:
                    await self._load(list(self._to_load.values()))
                    failures = 0
            except LogAway as error:
                # A line that was idle may have gone stale; only the second time says something about Redis.
                failures += 1
                if failures > 1:
                    self._set_away(str(error))
                await asyncio.sleep(retry_in(failures))
                self._asked.set()
            except Exception:  # a bug must not end the reading of a process
                logger.exception("catching up with runs failed")
                await asyncio.sleep(retry_in(failures + 5))
                self._asked.set()

    async def _load(self, mirrors: list[Mirror]) -> None:
        """The next entries of each. Those that have all of theirs join what is followed."""
        replies = await self._wire.send(
            command("XRANGE", stream_key(one.run), f"({one.last}", "+", "COUNT", ENTRIES_AT_ONCE)
            for one in mirrors
        )
        joined = False
        for mirror, reply in zip(mirrors, replies, strict=True):
            if isinstance(reply, Exception):
                raise LogAway(str(reply))
            mirror.take_in(parsed(reply))
            if len(reply) < ENTRIES_AT_ONCE and self._to_load.get(mirror.run) is mirror:
                del self._to_load[mirror.run]
                self._joined[stream_key(mirror.run)] = mirror
                joined = True
                if mirror.log is not None:
                    mirror.finish_loading()
                else:
                    # Its claim may be on its way.
                    loop = asyncio.get_running_loop()
                    loop.call_later(self._limits.unclaimed_seconds, mirror.finish_loading)
        if joined:
            await self._wire.send(
                [
                    command("XADD", self._control, "MAXLEN", "~", 10, "*", "wake", ""),
                    command("EXPIRE", self._control, CONTROL_EXPIRES_SECONDS),
                ]
            )

    @property
    def _bytes(self) -> int:
        return sum(one.log.size for one in self._mirrors.values() if one.log is not None)

    # --- following --------------------------------------------------------------------------------------

    async def read_for_ever(self) -> None:
        failures = 0
        while True:
            try:
                if not self._mirrors and not self.away:
                    self._wanted.clear()
                    await self._wanted.wait()
                await self._round()
            except LogAway as error:
                failures += 1
                if failures > 1:
                    self._set_away(str(error))
                self._control_seen = "0-0"
                await asyncio.sleep(retry_in(failures))
            except Exception:
                logger.exception("reading events failed")
                await asyncio.sleep(retry_in(failures + 5))
            else:
                failures = 0

    async def _round(self) -> None:
        if not self._blocking.connected:
            await self._blocking.connect()
        self._set_away("")
        after = {self._control: self._control_seen}
        after |= {key: str(mirror.last) for key, mirror in self._joined.items()}
        came = await self._blocking.read(after, most=ENTRIES_AT_ONCE, block_ms=BLOCK_MS)
        for key, entries in came:
            if key == self._control:
                self._control_seen = str(entries[-1].cursor)
            elif (mirror := self._joined.get(key)) is not None:
                mirror.take_in(entries)
                mirror.finish_loading()
                mirror.wake()
        self._remind(self._joined.values())
        if came:
            await asyncio.sleep(len(after) * PAUSE_A_STREAM_SECONDS)

    def _remind(self, mirrors: Iterable[Mirror]) -> None:
        """Readers that wait for what they have seen elsewhere do not wait for ever."""
        for mirror in mirrors:
            for feed in tuple(mirror.feeds):
                if feed.waits_for_what_it_has_seen:
                    feed.wake()

    def _set_away(self, reason: str) -> None:
        if bool(reason) == self.away:
            return
        self.away = bool(reason)
        if reason:
            logger.warning("events of other processes are not read", reason=reason, runs=len(self._mirrors))
        else:
            logger.info("events of other processes are read again", runs=len(self._mirrors))
        self._changed()
