"""Redis when it answers, this process alone when it does not: a limit is not worth an outage.

While it is away every process counts for itself, from zero; what staff have forced is known everywhere it was
forced from. All places that are held are counted again on its return, before it gives new ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Final, TypeVar

import structlog

from chat.resilience.backends.base import (
    Admission,
    Backend,
    BackendUnavailable,
    BreakerRule,
    BreakerView,
    Bucket,
    BucketView,
    Forced,
    Learned,
    Outcome,
    State,
    probe_key,
)
from chat.resilience.waiting_line import Sleep

RETRY_SECONDS: Final = 1.0
MOST_ROUNDS: Final = 5
"""Of renewals on its return, while places are still taken without it."""

T = TypeVar("T")
logger = structlog.get_logger(__name__)


class FallbackBackend:
    """Fulfils `Backend`; all but `breaker_force` never raise `BackendUnavailable`.

    While `far` is away it is asked once a second whether it is back, by a call or, where none comes, by a task: an
    idle process must not meet its next burst alone. The task lives only meanwhile; `aclose` ends it.
    """

    shared = True

    def __init__(
        self,
        far: Backend,
        near: Backend,
        *,
        clock: Callable[[], float],
        sleep: Sleep = asyncio.sleep,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._far = far
        self._near = near
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._sleep = sleep
        self._try_again_at: float | None = None
        self._asking: asyncio.Task[None] | None = None
        self._closed = False
        self._held: dict[tuple[str, str], float] = {}
        """Place and holder: the seconds it is lent for. What this process holds, whoever gave it."""

    @property
    def alone(self) -> bool:
        return self._try_again_at is not None

    async def aclose(self) -> None:
        """Nobody is asked any more without a call."""
        self._closed = True
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait((self._asking,))

    async def _either(self, ask: Callable[[Backend], Awaitable[T]]) -> T:
        if self.alone and not await self._is_back():
            return await ask(self._near)
        try:
            return await ask(self._far)
        except BackendUnavailable as error:
            if not self.alone:
                logger.warning("limits are counted by this process alone", reason=str(error))
            self._be_alone()
            return await ask(self._near)

    def _be_alone(self) -> None:
        self._try_again_at = self._clock() + self._retry_seconds
        if not self._closed and (self._asking is None or self._asking.done()):
            self._asking = asyncio.get_running_loop().create_task(self._ask_while_alone(), context=Context())

    async def _ask_while_alone(self) -> None:
        while self._try_again_at is not None:
            # Calls may have asked meanwhile, which moves the time on.
            await self._sleep(max(0.0, self._try_again_at - self._clock()))
            try:
                await self._is_back()
            except Exception:  # it must go on asking, whatever one answer was
                logger.exception("whether limits are shared again could not be found out")

    async def _is_back(self) -> bool:
        """Asks if it is time to; then all that is held is counted there before anybody takes more."""
        now = self._clock()
        if self._try_again_at is None or now < self._try_again_at:
            return not self.alone
        # One finds out; the others need not wait for its answer.
        self._try_again_at = now + self._retry_seconds
        counted: set[tuple[str, str]] = set()
        try:
            for _round in range(MOST_ROUNDS):
                missing = [held for held in self._held if held not in counted]
                # The first also where nothing is held: it asks whether anybody is there.
                await self._far.renew(missing, lease_seconds=max(self._held.values(), default=1.0))
                counted.update(missing)
                if counted >= self._held.keys():
                    break
            self._try_again_at = None
            logger.info("limits are shared again", held=len(counted))
            # Given back while it was being counted.
            for key, holder in counted - self._held.keys():
                await self._far.release(key, holder)
        except BackendUnavailable:
            self._be_alone()
            return False
        return True

    async def breaker_admit(
        self, key: str, rule: BreakerRule, *, holder: str, lease_seconds: float
    ) -> Admission:
        admission = await self._either(
            lambda backend: backend.breaker_admit(key, rule, holder=holder, lease_seconds=lease_seconds)
        )
        if admission.probe:
            self._held[probe_key(key), holder] = lease_seconds
        return admission

    async def breaker_record(
        self, key: str, rule: BreakerRule, outcome: Outcome, *, generation: int, holder: str
    ) -> State:
        self._held.pop((probe_key(key), holder), None)
        return await self._either(
            lambda backend: backend.breaker_record(key, rule, outcome, generation=generation, holder=holder)
        )

    async def breaker_force(self, key: str, state: Forced | None) -> None:
        """
        Raises:
            BackendUnavailable: the others do not know of it; this process follows it at once.
        """
        await self._near.breaker_force(key, state)
        await self._far.breaker_force(key, state)

    async def breakers(self) -> dict[str, BreakerView]:
        return await self._either(lambda backend: backend.breakers())

    async def take(self, buckets: Sequence[Bucket]) -> float:
        return await self._either(lambda backend: backend.take(buckets))

    async def learn(self, limits: Sequence[Learned]) -> None:
        await self._near.learn(limits)
        await self._either(lambda backend: backend.learn(limits))

    async def hold_off(self, key: str, seconds: float) -> None:
        await self._near.hold_off(key, seconds)
        await self._either(lambda backend: backend.hold_off(key, seconds))

    async def levels(self, buckets: Sequence[Bucket]) -> list[BucketView]:
        return await self._either(lambda backend: backend.levels(buckets))

    async def acquire(self, key: str, most: int, *, holder: str, lease_seconds: float) -> bool:
        granted = await self._either(
            lambda backend: backend.acquire(key, most, holder=holder, lease_seconds=lease_seconds)
        )
        if granted:
            self._held[key, holder] = lease_seconds
        return granted

    async def renew(self, held: Sequence[tuple[str, str]], *, lease_seconds: float) -> None:
        await self._either(lambda backend: backend.renew(held, lease_seconds=lease_seconds))

    async def release(self, key: str, holder: str) -> None:
        self._held.pop((key, holder), None)
        # Taken from the one, given back to the other: both have to hear of it.
        await self._near.release(key, holder)
        await self._either(lambda backend: backend.release(key, holder))

    async def in_use(self, key: str) -> int:
        return await self._either(lambda backend: backend.in_use(key))

    async def busiest(self, prefix: str, most: int) -> list[tuple[str, int]]:
        return await self._either(lambda backend: backend.busiest(prefix, most))
