"""At most so many calls at once, per user and per provider: a counting semaphore with leases.

Leases follow Gray and Cheriton, "Leases" (SOSP 1989): a place shared by processes is only lent, and whoever holds
it renews it. A process that is killed stops renewing, so its places are back within `LEASE_SECONDS`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Final

import structlog

from chat.resilience.backends.base import Backend, BackendUnavailable
from chat.resilience.waiting_line import OnWait, Sleep, WaitingLines

LEASE_SECONDS: Final = 9.0
RENEW_SECONDS: Final = 3.0
"""Two renewals may fail before a place is lost; 9 s after the last one it is free."""

ASK_AGAIN_SECONDS: Final = 0.1
"""A place given back by another process makes no noise here."""

logger = structlog.get_logger(__name__)


class LeaseKeeper:
    """Renews what this process holds, in one trip for all. Its task lives only while something is held.

    `name` tells this process from all others, of this start too: a random word.
    """

    def __init__(self, backend: Backend, *, name: str, sleep: Sleep) -> None:
        self._backend = backend
        self._name = name
        self._sleep = sleep
        self._made = 0
        self._held: set[tuple[str, str]] = set()
        self._task: asyncio.Task[None] | None = None

    def new_holder(self) -> str:
        self._made += 1
        return f"{self._name}-{self._made}"

    def keep(self, key: str, holder: str) -> None:
        if not self._backend.shared:
            return
        self._held.add((key, holder))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._renew(), context=Context())

    def drop(self, key: str, holder: str) -> None:
        """Before the place is given back: a renewal must not take it again."""
        self._held.discard((key, holder))

    async def aclose(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    async def _renew(self) -> None:
        try:
            while self._held:
                await self._sleep(RENEW_SECONDS)
                await self._renew_once(list(self._held))
        finally:
            self._task = None

    async def _renew_once(self, held: list[tuple[str, str]]) -> None:
        try:
            if held:
                await self._backend.renew(held, lease_seconds=LEASE_SECONDS)
            # Given back while the renewal was on its way, which may have come in second.
            for key, holder in held:
                if (key, holder) not in self._held:
                    await self._backend.release(key, holder)
        except BackendUnavailable as error:
            logger.warning("leases could not be renewed", held=len(held), reason=str(error))
        except Exception:  # one bad round must not let all places run out in silence
            logger.exception("leases could not be renewed", held=len(held))


class Places:
    """Places by key (`user:5`, `provider:7`), with a line in front of each."""

    def __init__(
        self, backend: Backend, keeper: LeaseKeeper, *, clock: Callable[[], float], sleep: Sleep
    ) -> None:
        self._backend = backend
        self._keeper = keeper
        self._lines = WaitingLines(clock=clock, sleep=sleep)

    @asynccontextmanager
    async def hold(
        self,
        key: str,
        most: int | Callable[[], int],
        *,
        wait_seconds: float = 30.0,
        on_wait: OnWait | None = None,
    ) -> AsyncIterator[float]:
        """Holds one of `most` places for the length of the block; yields the seconds waited for it.

        A function is asked at every try: staff may change the figure while somebody waits (`wake_all`).

        Raises:
            WaitedTooLong: none became free within `wait_seconds`.
        """
        holder = self._keeper.new_holder()

        async def ask() -> float | None:
            allowed = most if isinstance(most, int) else most()
            if await self._backend.acquire(key, allowed, holder=holder, lease_seconds=LEASE_SECONDS):
                return 0.0
            return ASK_AGAIN_SECONDS if self._backend.shared else None

        try:
            waited_seconds = await self._lines.stand(key, ask, wait_seconds=wait_seconds, on_wait=on_wait)
            self._keeper.keep(key, holder)
            yield waited_seconds
        finally:
            # Also where the wait was cut off: the answer that granted it may be lost on its way.
            self._keeper.drop(key, holder)
            await self._backend.release(key, holder)
            self._lines.wake(key)

    async def in_use(self, key: str) -> int:
        """Over all processes."""
        return await self._backend.in_use(key)

    def waiting(self, key: str) -> int:
        """In this process."""
        return self._lines.waiting(key)

    async def busiest(self, prefix: str, most: int) -> list[tuple[str, int]]:
        """Over all processes: the keys of that beginning that hold places, and how many."""
        return await self._backend.busiest(prefix, most)

    def lines(self) -> dict[str, int]:
        """How many wait for what, in this process."""
        return self._lines.lengths()

    def wake_all(self) -> None:
        """A limit has changed: all who wait ask again."""
        self._lines.wake_all()
