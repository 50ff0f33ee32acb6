"""Redis when it answers, this process alone when it does not: a limit is not worth an outage.

While it is away every process counts for itself, from zero; what staff have forced is known everywhere it was
forced from. Places taken meanwhile are counted again with the first renewal after its return.
"""

from collections.abc import Awaitable, Callable, Sequence
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
)

RETRY_SECONDS: Final = 1.0

T = TypeVar("T")
logger = structlog.get_logger(__name__)


class FallbackBackend:
    """Fulfils `Backend` and never raises `BackendUnavailable`. One call a second finds out whether `far` is back."""

    shared = True

    def __init__(
        self,
        far: Backend,
        near: Backend,
        *,
        clock: Callable[[], float],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._far = far
        self._near = near
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._try_again_at: float | None = None

    @property
    def alone(self) -> bool:
        return self._try_again_at is not None

    async def _either(self, ask: Callable[[Backend], Awaitable[T]]) -> T:
        if self._try_again_at is not None:
            now = self._clock()
            if now < self._try_again_at:
                return await ask(self._near)
            # One finds out; the others need not wait for its answer.
            self._try_again_at = now + self._retry_seconds
        try:
            answer = await ask(self._far)
        except BackendUnavailable as error:
            if self._try_again_at is None:
                logger.warning("limits are counted by this process alone", reason=str(error))
            self._try_again_at = self._clock() + self._retry_seconds
            return await ask(self._near)
        if self._try_again_at is not None:
            logger.info("limits are shared again")
            self._try_again_at = None
        return answer

    async def breaker_admit(
        self, key: str, rule: BreakerRule, *, holder: str, lease_seconds: float
    ) -> Admission:
        return await self._either(
            lambda backend: backend.breaker_admit(key, rule, holder=holder, lease_seconds=lease_seconds)
        )

    async def breaker_record(
        self, key: str, rule: BreakerRule, outcome: Outcome, *, generation: int, holder: str
    ) -> State:
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
        return await self._either(
            lambda backend: backend.acquire(key, most, holder=holder, lease_seconds=lease_seconds)
        )

    async def renew(self, held: Sequence[tuple[str, str]], *, lease_seconds: float) -> None:
        await self._either(lambda backend: backend.renew(held, lease_seconds=lease_seconds))

    async def release(self, key: str, holder: str) -> None:
        # Taken from the one, given back to the other: both have to hear of it.
        await self._near.release(key, holder)
        await self._either(lambda backend: backend.release(key, holder))

    async def in_use(self, key: str) -> int:
        return await self._either(lambda backend: backend.in_use(key))

    async def busiest(self, prefix: str, most: int) -> list[tuple[str, int]]:
        return await self._either(lambda backend: backend.busiest(prefix, most))
