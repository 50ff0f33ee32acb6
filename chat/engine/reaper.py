"""Looks for runs that nobody makes, about once a second, and as soon as somebody says that there are some."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from chat.exceptions import StorageUnavailable

logger = structlog.get_logger(__name__)

EACH_SECONDS = 1.0
A_LOT = 20
"""So many runs at one pass are a sign of more, as a pass has an end (`rescue.AT_ONCE`), and other processes take some:
the next one follows at once."""
LAST_PASS_SECONDS = 2.0
"""For a pass that is under way when the process ends: what it has claimed must not be forgotten."""
JITTER = 0.2
"""So that many processes do not all ask at once."""


class TakeOver(Protocol):
    async def __call__(self, *, by_silence: bool) -> int:
        """One pass; how many runs were taken over. `by_silence`: also those of nodes that were only not heard of.

        Raises:
            StorageUnavailable
        """


class Reaper:
    """Silence says little about who lives while the database was away, and a process that has just started does not
    know whether it was: a node has lost its runs by silence only when we could have heard it for a whole lease."""

    def __init__(
        self,
        take_over: TakeOver,
        *,
        lease_seconds: float,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        """`clock` gives seconds, as the running loop's timers do."""
        self._take_over = take_over
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._uniform = uniform
        self._hint = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()
        self._listens_since: float | None = clock()

    @property
    def believes_silence(self) -> bool:
        """Whether a node that was not heard of for a lease has been silent, and not we deaf."""
        return self._listens_since is not None and self._clock() - self._listens_since > self._lease_seconds

    def start(self) -> None:
        self._task = asyncio.create_task(self._reap_for_ever(), name="reaper")

    async def stop(self) -> None:
        """Begins no other pass, and waits for the one under way."""
        self._stopped.set()
        self._hint.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=LAST_PASS_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def hurry(self) -> None:
        """Somebody has given up runs: looks now."""
        self._hint.set()

    async def _reap_for_ever(self) -> None:
        while not self._stopped.is_set():
            self._hint.clear()
            try:
                await self._pass()
            except Exception:  # the reaper outlives everything
                logger.exception("reaper failed")
            if self._stopped.is_set():
                return
            try:
                async with asyncio.timeout(EACH_SECONDS * self._uniform(1 - JITTER, 1 + JITTER)):
                    await self._hint.wait()
            except TimeoutError:
                pass

    async def _pass(self) -> None:
        since = self._listens_since
        try:
            taken = await self._take_over(by_silence=self.believes_silence)
        except StorageUnavailable:
            self._listens_since = None
        else:
            if since is None:
                self._listens_since = self._clock()
            if taken >= A_LOT:
                self._hint.set()
