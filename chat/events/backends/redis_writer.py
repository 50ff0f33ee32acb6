"""The one writer of a process: the events of all its runs, as batches, into a Redis Stream per run.

The events themselves wait in the memory log, which keeps them anyway: the writer is one more reader of it, with a
place in each run. So an engine never waits for Redis, and what waits while Redis is away is bounded as that log is.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog

from chat.conf import StreamLimits
from chat.events.backends.redis_outgoing import Outgoing
from chat.events.backends.redis_wire import (
    CommandFailed,
    LogAway,
    RedisWire,
    TooOld,
    command,
    parsed,
    retry_in,
)
from chat.events.backends.run_log import RunLog
from chat.events.codec import Cursor

logger = structlog.get_logger(__name__)

BEAT_SECONDS: Final = 1.0
WRONG_TYPE: Final = "Operation against a key holding the wrong kind of value"
COMMANDS_AT_ONCE: Final = 4000
REFRESH_SECONDS: Final = 3600.0
"""How often a stream that is still written is kept from expiring."""


class StreamWriter:
    """`stale(run, epoch)` is called when Redis has refused an epoch, `changed` when `away` has changed."""

    def __init__(
        self,
        wire: RedisWire,
        limits: StreamLimits,
        *,
        clock: Callable[[], float],
        stale: Callable[[str, int], None],
        changed: Callable[[], None],
    ) -> None:
        self._wire = wire
        self._limits = limits
        self._clock = clock
        self._stale = stale
        self._changed = changed
        self._runs: dict[str, Outgoing] = {}
        self._dirty: dict[str, Outgoing] = {}
        self._news = asyncio.Event()
        self._flushed_at = self._beat_at = self._refreshed_at = clock()
        self.away = False

    def __len__(self) -> int:
        return len(self._runs)

    def unwritten(self) -> tuple[int, int]:
        """Runs of which the stream lacks something, and the events it lacks."""
        behind = [out.behind for out in self._runs.values() if out.waiting]
        return len(behind), sum(behind)

    def begin(self, log: RunLog) -> None:
        """From now on this run's events are sent, beginning with the claim of its last epoch."""
        self.drop(log.run)
        out = self._runs[log.run] = Outgoing(log, self._limits, self._touch)
        self._touch(out)

    def end(self, run: str) -> None:
        """Nothing more comes; the stream expires once it has everything."""
        if (out := self._runs.get(run)) is not None:
            self._touch(out)

    def drop(self, run: str) -> None:
        """Nothing of this run is sent any more."""
        out = self._runs.pop(run, None)
        self._dirty.pop(run, None)
        if out is not None:
            out.close()

    def drop_forgotten(self) -> None:
        """What the memory log has forgotten while Redis was away is in the database alone."""
        for run in [run for run, out in self._runs.items() if out.log.gone]:
            self.drop(run)

    async def write_for_ever(self) -> None:
        failures = 0
        while True:
            try:
                await self._turn()
            except LogAway as error:
                # A line that was idle may have gone stale; only the second time says something about Redis.
                failures += 1
                if failures > 1:
                    self._set_away(str(error))
                await asyncio.sleep(retry_in(failures))
                self._news.set()
            except Exception:  # a bug must not silence the runs of a process
                logger.exception("event writer failed")
                await asyncio.sleep(retry_in(failures + 5))
            else:
                failures = 0
                self._set_away("")

    async def flush(self) -> None:
        """Sends what there is now.

        Raises:
            LogAway: all of it is sent again.
        """
        if not self._wire.connected:
            await self._connect()
        dirty, self._dirty = self._dirty, {}
        self._news.clear()
        try:
            await self._check([out for out in dirty.values() if out.unsure])
            await self._send([out for run, out in dirty.items() if self._runs.get(run) is out])
        except BaseException:
            for out in dirty.values():
                self._touch(out)
            raise

    # --- the loop -------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        """At once where the writer was idle, else when the time between two batches is over."""
        beat_in = self._beat_at + BEAT_SECONDS - self._clock() if self._runs or self.away else None
        try:
            async with asyncio.timeout(beat_in):
                await self._news.wait()
        except TimeoutError:
            await self._beat()
            return
        pause = self._flushed_at + self._limits.flush_seconds - self._clock()
        if pause > 0:
            await asyncio.sleep(pause)
        self._flushed_at = self._clock()
        await self.flush()
        if self._clock() - self._beat_at > BEAT_SECONDS:
            await self._beat()

    async def _connect(self) -> None:
        """Whatever Redis has lost while nobody looked is found before anything more is written."""
        await self._wire.connect()
        self._doubt(out for out in self._runs.values() if out.claimed)

    def _doubt(self, runs: Iterable[Outgoing]) -> None:
        for out in runs:
            out.unsure = True
            self._touch(out)

    async def _beat(self) -> None:
        """Does Redis still have all streams? It may have come back empty while nobody wrote."""
        self._beat_at = now = self._clock()
        if not self._wire.connected:
            await self._connect()
        known = [out for out in self._runs.values() if out.claimed]
        if not known:
            await self._wire.ask("PING")
            return
        if await self._wire.ask("EXISTS", *(out.key for out in known)) != len(known):
            self._doubt(known)
        if now - self._refreshed_at > REFRESH_SECONDS:
            self._refreshed_at = now
            await self._wire.send(command("EXPIRE", out.key, self._limits.keep_seconds) for out in known)

    def _touch(self, out: Outgoing) -> None:
        run = out.log.run
        if self._runs.get(run) is out and run not in self._dirty:
            self._dirty[run] = out
            self._news.set()

    def _set_away(self, reason: str) -> None:
        if bool(reason) == self.away:
            return
        self.away = bool(reason)
        if reason:
            logger.warning("events wait for Redis", reason=reason, runs=len(self._runs))
        else:
            logger.info("events reach Redis again", runs=len(self._runs))
        self._changed()

    # --- one batch ------------------------------------------------------------------------------------

    async def _check(self, unsure: list[Outgoing]) -> None:
        """Something was refused or is missing: the last entry of the stream tells what to do."""
        if not unsure:
            return
        replies = await self._wire.send(command("XREVRANGE", out.key, "+", "-", "COUNT", 1) for out in unsure)
        foreign = []
        for out, reply in zip(unsure, replies, strict=True):
            if isinstance(reply, Exception):
                if WRONG_TYPE not in str(reply):
                    raise LogAway(str(reply))
                foreign.append(out)
                continue
            top = parsed(reply)[0].cursor if reply else None
            if top is not None and top.epoch > out.epoch:
                self._lost(out, top)
            else:
                out.found(top)
        # Somebody has put something else there: the name is ours, and one run must not hold up all others.
        await self._wire.send(command("DEL", out.key) for out in foreign)
        for out in foreign:
            logger.warning("a run's stream was something else, and is begun anew", run=out.log.run)
            out.found(None)

    def _lost(self, out: Outgoing, top: Cursor) -> None:
        logger.info("run is written elsewhere", run=out.log.run, epoch=out.epoch, newer=top.epoch)
        self.drop(out.log.run)
        self._stale(out.log.run, out.epoch)

    async def _send(self, dirty: list[Outgoing]) -> None:
        commands: list[bytes] = []
        sent: list[tuple[Outgoing, int, int]] = []
        for out in dirty:
            if len(commands) >= COMMANDS_AT_ONCE:
                self._touch(out)
                continue
            start = len(commands)
            commands += out.commands()
            sent.append((out, start, len(commands)))
        if not commands:
            return
        replies = await self._wire.send(commands)
        failure = ""
        for out, start, end in sent:
            failure = self._judge(out, replies[start:end]) or failure
        if failure:
            raise LogAway(failure)

    def _judge(self, out: Outgoing, replies: list[Any]) -> str:
        """What became of a run's part of a batch; why Redis did not take it, or ""."""
        failed = next((str(reply) for reply in replies if isinstance(reply, CommandFailed)), "")
        if failed:
            out.broken()
        elif None in replies or any(isinstance(reply, TooOld) for reply in replies):
            # A missing stream, or an entry that is there already: of an earlier try, or of a newer epoch.
            out.unsure = True
        else:
            out.accepted()
        if self._runs.get(out.log.run) is not out:
            return ""
        if out.unsure or out.waiting:
            self._touch(out)
        elif out.complete:
            self.drop(out.log.run)
        return failed
