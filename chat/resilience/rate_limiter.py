"""Token buckets in front of providers and models, with a line where they are empty.

The bucket is the one of Turner, "New Directions in Communications" (IEEE Communications Magazine 24/10, 1986), as
RFC 2697 meters it: `burst` tokens at most, `per_second` of them coming back. Limits are given by staff, or learned
from the provider's headers, and the stricter holds. Why not the `limits` package: docs/resilience.md.
"""

from collections.abc import Callable, Sequence
from typing import Final

from chat.resilience.backends.base import Backend, Bucket, BucketView, Learned
from chat.resilience.rate_headers import RateFacts
from chat.resilience.waiting_line import OnWait, Sleep, WaitingLines

MINUTE_SECONDS: Final = 60.0
DAY_SECONDS: Final = 86_400.0
SHORTEST_NAP_SECONDS: Final = 0.005
"""Asking more often than this finds nothing new."""


class RateLimiter:
    """Order holds within a line, and lines are the caller's: one for each model, so that none blocks another."""

    def __init__(self, backend: Backend, *, clock: Callable[[], float], sleep: Sleep) -> None:
        self._backend = backend
        self._lines = WaitingLines(clock=clock, sleep=sleep)

    async def take(
        self,
        line: str,
        buckets: Sequence[Bucket] | Callable[[], Sequence[Bucket]],
        *,
        wait_seconds: float = 30.0,
        on_wait: OnWait | None = None,
    ) -> float:
        """Takes from all buckets at once, when all of them have it; returns the seconds waited.

        A function is asked at every try: staff may change the figures while somebody waits (`wake_all`).

        Raises:
            WaitedTooLong: it would take longer than `wait_seconds`; told at once where that is plain.
        """

        async def ask() -> float:
            seconds = await self._backend.take(buckets() if callable(buckets) else buckets)
            return max(seconds, SHORTEST_NAP_SECONDS) if seconds > 0 else 0.0

        return await self._lines.stand(line, ask, wait_seconds=wait_seconds, on_wait=on_wait, exact=True)

    async def learn(self, facts: Sequence[tuple[str, RateFacts | None]]) -> None:
        """What an answer's headers say, as pairs of bucket key and facts; one trip for all."""
        limits = [known for key, told in facts if told is not None and (known := learned(key, told))]
        if limits:
            await self._backend.learn(limits)

    async def hold_off(self, key: str, seconds: float) -> None:
        """The provider said when to come back: nobody asks before."""
        await self._backend.hold_off(key, seconds)

    async def levels(self, buckets: Sequence[Bucket]) -> list[BucketView]:
        return await self._backend.levels(buckets)

    def waiting(self, line: str) -> int:
        """In this process."""
        return self._lines.waiting(line)

    def lines(self) -> dict[str, int]:
        """How many wait in which line, in this process."""
        return self._lines.lengths()

    def wake_all(self) -> None:
        """A limit has changed: all who wait ask again."""
        self._lines.wake_all()


def learned(key: str, facts: RateFacts) -> Learned | None:
    """The bucket that would show these figures; None where they do not say how large it is.

    What is missing comes back within `reset_seconds`: that is the rate, and it tells a limit a day from one a
    minute, which the names do not. Without it a limit is one a minute.
    """
    if facts.limit is None or facts.limit < 1:
        return None
    remaining = None if facts.remaining is None else min(facts.remaining, facts.limit)
    per_second = facts.limit / MINUTE_SECONDS
    if remaining is not None and facts.reset_seconds and remaining < facts.limit:
        per_second = (facts.limit - remaining) / facts.reset_seconds
        # Resets are rounded to a second by some, and clocks differ.
        per_second = min(max(per_second, facts.limit / DAY_SECONDS), facts.limit)
    return Learned(key, facts.limit, per_second, remaining)
