"""The backend of a single process. Holders die with the process, so nothing needs renewing."""

import math
from collections.abc import Callable, Sequence
from typing import Final

from chat.resilience.backends.base import (
    LEARN_AGAIN_SECONDS,
    MOST_KEPT,
    MOST_LISTED,
    PROBE_AGAIN_SECONDS,
    Admission,
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

_ROUNDING: Final = 1e-6


class _Breaker:
    __slots__ = ("failures", "generation", "state", "successes", "until")

    def __init__(self) -> None:
        self.state: State = "closed"
        self.generation = 0
        self.failures = 0
        self.successes = 0
        self.until = 0.0

    def become(self, state: State) -> None:
        self.state = state
        self.generation += 1
        self.failures = self.successes = 0


class _Level:
    __slots__ = ("capacity", "not_before", "passed", "per_second", "stamp", "tokens")

    def __init__(self, now: float) -> None:
        self.tokens: float | None = None
        """None: full, whatever that will be."""
        self.stamp = now
        self.capacity: float | None = None
        self.per_second: float | None = None
        self.not_before = 0.0
        self.passed: float | None = None
        """When it last let a call through; before that, when it first heard of a limit."""

    def learned_anew_in(self, bucket: Bucket, now: float) -> float:
        """Seconds until what is learned keeps this call out no longer; what is given does."""
        if self.capacity is None or self.passed is None:
            return math.inf
        rest = LEARN_AGAIN_SECONDS
        if bucket.per_second is not None:
            rest = max(rest, min(bucket.amount, bucket.burst) / bucket.per_second)
        return max(0.0, self.passed + rest - now)

    def limits(self, bucket: Bucket) -> tuple[float, float] | None:
        """Rate and capacity: the stricter of what is given and what is learned."""
        if bucket.per_second is None:
            if self.per_second is None or self.capacity is None:
                return None
            return self.per_second, self.capacity
        if self.per_second is None or self.capacity is None:
            return bucket.per_second, bucket.burst
        return min(bucket.per_second, self.per_second), min(bucket.burst, self.capacity)

    def at(self, now: float, per_second: float, capacity: float) -> float:
        if self.tokens is None:
            return capacity
        return min(capacity, self.tokens + max(0.0, now - self.stamp) * per_second)

    def view(self, bucket: Bucket, now: float) -> BucketView:
        held_off = max(0.0, self.not_before - now)
        limits = self.limits(bucket)
        if limits is None:
            return BucketView(held_off_seconds=held_off)
        per_second, capacity = limits
        learned = self.capacity is not None
        return BucketView(self.at(now, per_second, capacity), capacity, per_second, held_off, learned)


class MemoryBackend:
    """Fulfils `Backend`. `clock` gives seconds that only grow."""

    shared = False
    alone = True

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._breakers: dict[str, _Breaker] = {}
        self._levels: dict[str, _Level] = {}
        self._places: dict[str, set[str]] = {}

    # --- circuit breakers -----------------------------------------------------------------------------

    async def breaker_admit(
        self, key: str, rule: BreakerRule, *, holder: str, lease_seconds: float
    ) -> Admission:
        breaker = self._breakers.get(key)
        if breaker is None:
            return Admission(True, "closed", 0)
        if breaker.state in ("closed", "forced_closed"):
            return Admission(True, breaker.state, breaker.generation)
        if breaker.state == "forced_open":
            return Admission(False, breaker.state, breaker.generation)
        if breaker.state == "open":
            rest = breaker.until - self._clock()
            if rest > 0:
                return Admission(False, "open", breaker.generation, retry_after_seconds=rest)
            breaker.become("half_open")
        if not await self.acquire(probe_key(key), rule.probes, holder=holder, lease_seconds=lease_seconds):
            return Admission(False, "half_open", breaker.generation, retry_after_seconds=PROBE_AGAIN_SECONDS)
        return Admission(True, "half_open", breaker.generation, probe=True)

    async def breaker_record(
        self, key: str, rule: BreakerRule, outcome: Outcome, *, generation: int, holder: str
    ) -> State:
        await self.release(probe_key(key), holder)
        breaker = self._breakers.get(key)
        if breaker is None:
            if outcome != "failure" or generation != 0:
                return "closed"
            _make_room(self._breakers)
            breaker = self._breakers[key] = _Breaker()
        counting = breaker.state in ("closed", "half_open") and breaker.generation == generation
        if not counting or outcome == "neutral":
            return breaker.state
        self._breakers[key] = self._breakers.pop(key)  # the latest comes last
        if outcome == "success":
            self._count_success(breaker, rule)
        else:
            self._count_failure(breaker, rule)
        return breaker.state

    def _count_success(self, breaker: _Breaker, rule: BreakerRule) -> None:
        breaker.failures = 0
        if breaker.state == "half_open":
            breaker.successes += 1
            if breaker.successes >= rule.successes:
                breaker.become("closed")

    def _count_failure(self, breaker: _Breaker, rule: BreakerRule) -> None:
        if breaker.state == "closed":
            breaker.failures += 1
        if breaker.state == "half_open" or breaker.failures >= rule.failures:
            breaker.become("open")
            breaker.until = self._clock() + rule.open_seconds

    async def breaker_force(self, key: str, state: Forced | None) -> None:
        if key not in self._breakers:
            _make_room(self._breakers)
        breaker = self._breakers.pop(key) if key in self._breakers else _Breaker()
        self._breakers[key] = breaker
        breaker.become(state or "closed")

    async def breakers(self) -> dict[str, BreakerView]:
        now = self._clock()
        latest_first = reversed(self._breakers.items())
        listed = sorted(latest_first, key=lambda one: not _is_forced(one[1]))
        return {
            key: BreakerView(
                breaker.state,
                breaker.failures,
                breaker.successes,
                len(self._places.get(probe_key(key), ())),
                max(0.0, breaker.until - now) if breaker.state == "open" else 0.0,
            )
            for key, breaker in listed[:MOST_LISTED]
        }

    # --- token buckets --------------------------------------------------------------------------------

    async def take(self, buckets: Sequence[Bucket]) -> float:
        now = self._clock()
        wait = 0.0
        taken: list[tuple[_Level, float]] = []
        for bucket in buckets:
            level = self._level(bucket.key, now)
            wait = max(wait, level.not_before - now)
            limits = level.limits(bucket)
            if limits is None:
                continue
            per_second, capacity = limits
            tokens = level.at(now, per_second, capacity)
            left = tokens - min(bucket.amount, capacity)
            if left < -_ROUNDING:
                wait = max(wait, min(-left / per_second, level.learned_anew_in(bucket, now)))
            taken.append((level, max(left, 0.0)))
        if wait > 0:
            return wait
        for level, left in taken:
            level.tokens, level.stamp, level.passed = left, now, now
        return 0.0

    async def learn(self, limits: Sequence[Learned]) -> None:
        now = self._clock()
        for learned in limits:
            level = self._level(learned.key, now)
            tokens = level.at(now, learned.per_second, learned.capacity)
            level.tokens = tokens if learned.remaining is None else min(tokens, learned.remaining)
            level.stamp, level.capacity, level.per_second = now, learned.capacity, learned.per_second
            level.passed = now if level.passed is None else level.passed

    async def hold_off(self, key: str, seconds: float) -> None:
        now = self._clock()
        level = self._level(key, now)
        level.not_before = max(level.not_before, now + seconds)

    async def levels(self, buckets: Sequence[Bucket]) -> list[BucketView]:
        now = self._clock()
        return [(self._levels.get(bucket.key) or _Level(now)).view(bucket, now) for bucket in buckets]

    def _level(self, key: str, now: float) -> _Level:
        level = self._levels.get(key)
        if level is None:
            _make_room(self._levels)
            level = self._levels[key] = _Level(now)
        return level

    # --- places ---------------------------------------------------------------------------------------

    async def acquire(self, key: str, most: int, *, holder: str, lease_seconds: float) -> bool:
        if len(self._places.get(key, ())) >= most:
            return False
        self._places.setdefault(key, set()).add(holder)
        return True

    async def renew(self, held: Sequence[tuple[str, str]], *, lease_seconds: float) -> None:
        for key, holder in held:
            self._places.setdefault(key, set()).add(holder)

    async def release(self, key: str, holder: str) -> None:
        held = self._places.get(key)
        if held is not None:
            held.discard(holder)
            if not held:
                del self._places[key]

    async def in_use(self, key: str) -> int:
        return len(self._places.get(key, ()))

    async def busiest(self, prefix: str, most: int) -> list[tuple[str, int]]:
        taken = [(key, len(held)) for key, held in self._places.items() if key.startswith(prefix)]
        return sorted(taken, key=lambda one: (-one[1], one[0]))[:most]


def _make_room(kept: dict[str, _Breaker] | dict[str, _Level]) -> None:
    if len(kept) >= MOST_KEPT:
        oldest = next((key for key, value in kept.items() if not _is_forced(value)), None)
        if oldest is not None:
            del kept[oldest]


def _is_forced(value: _Breaker | _Level) -> bool:
    return isinstance(value, _Breaker) and value.state in ("forced_open", "forced_closed")
