"""How many calls at once a provider bears, found out by trying: additive increase, multiplicative decrease.

The control law is TCP's: a fall is to a share of what was really in flight, at most once a round trip (RFC 5681,
section 3.1; the share of 0.7 is CUBIC's, RFC 9438), and growth only where the limit is what holds calls back
(RFC 7661). From Netflix' concurrency-limits come the growth by a square root a round and, in `Gradient2Limit`, the
comparison of short and long averages with a tolerance; here of the time to first token, which rises when a provider
queues, while the length of an answer says nothing (compare TCP Vegas, Brakmo and Peterson, 1995).

One for each provider and process: each process learns from its own calls.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

from chat.resilience.waiting_line import OnWait, Sleep, WaitingLines

MOST_KINDS: Final = 200
"""Models a provider's times are kept of; the oldest goes first."""


class AdaptiveRule(Struct, frozen=True):
    """`most` is the provider's limit, where it starts. `tolerance`: how much slower than usual is still usual."""

    most: int = 500
    least: int = 1
    fall: float = 0.7
    tolerance: float = 2.0
    samples: int = 10
    """Answers of a kind before its times mean anything."""
    double_seconds: float = 30.0
    """A limit that nothing speaks against doubles in this time: few calls would else never bring it back."""


class AdaptiveView(Struct, frozen=True):
    limit: int
    in_flight: int
    waiting: int
    most: int


class _Latency:
    """The usual time to first token of one kind of call, and the present one."""

    __slots__ = ("count", "long", "short")

    def __init__(self) -> None:
        self.count = 0
        self.long = 0.0
        self.short = 0.0

    def add(self, seconds: float, rule: AdaptiveRule) -> float:
        """How far to go down: 1.0 not at all, 0.5 at the most."""
        self.count += 1
        if self.count <= rule.samples:
            self.long += (seconds - self.long) / self.count
            self.short = self.long
            return 1.0
        # One slow answer is no trend: a single one must not carry the average over the tolerance.
        self.short += (min(seconds, 4 * self.long) - self.short) * 0.2
        self.long += (seconds - self.long) / 600
        if self.long > 2 * self.short:
            self.long *= 0.95  # it is fast again, and a slow past must not hide the next rise
        if self.short <= 0:
            return 1.0
        return min(1.0, max(0.5, rule.tolerance * self.long / self.short))


class Slot:
    """One call in flight. What is never said of it teaches nothing."""

    __slots__ = ("_limit", "turn", "waited_seconds")

    def __init__(self, limit: "AdaptiveLimit", turn: int, waited_seconds: float) -> None:
        self._limit = limit
        self.turn = turn
        self.waited_seconds = waited_seconds

    def succeeded(self, first_token_seconds: float | None, kind: str = "") -> None:
        """Once, best with the first token. `kind` is the model: the times of two models do not compare.

        None: the answer showed nothing.
        """
        self._limit.grow(self, first_token_seconds, kind)

    def overloaded(self) -> None:
        """A 429, a 503 or 529, or no first token in time."""
        self._limit.shrink(self)


class AdaptiveLimit:
    """All methods belong to one event loop."""

    def __init__(self, rule: AdaptiveRule, *, clock: Callable[[], float], sleep: Sleep) -> None:
        self._rule = rule
        self._lines = WaitingLines(clock=clock, sleep=sleep)
        self._clock = clock
        self._limit = float(rule.most)
        self._limit_at = clock()
        self._in_flight = 0
        self._falls = 0
        self._latencies: dict[str, _Latency] = {}

    @property
    def rule(self) -> AdaptiveRule:
        return self._rule

    @rule.setter
    def rule(self, rule: AdaptiveRule) -> None:
        """Settings changed: what was learned stays, unless it was only the old maximum."""
        limit = self._limit_now()
        at_most = limit >= self._rule.most
        self._rule = rule
        self._set(rule.most if at_most else limit)

    @asynccontextmanager
    async def slot(self, *, wait_seconds: float = 30.0, on_wait: OnWait | None = None) -> AsyncIterator[Slot]:
        """
        Raises:
            WaitedTooLong: none became free within `wait_seconds`.
        """
        waited_seconds = await self._lines.stand("", self._enter, wait_seconds=wait_seconds, on_wait=on_wait)
        try:
            yield Slot(self, self._falls, waited_seconds)
        finally:
            self._in_flight -= 1
            self._lines.wake("")

    def view(self) -> AdaptiveView:
        return AdaptiveView(int(self._limit_now()), self._in_flight, self._lines.waiting(""), self._rule.most)

    async def _enter(self) -> float | None:
        if self._in_flight >= int(self._limit_now()):
            return None
        self._in_flight += 1
        return 0.0

    def grow(self, slot: Slot, first_token_seconds: float | None, kind: str) -> None:
        if first_token_seconds is not None:
            gradient = self._latency(kind).add(first_token_seconds, self._rule)
            if gradient < 1.0:
                self._fall(slot, gradient * min(self._limit_now(), 2.0 * self._in_flight))
                return
        limit = self._limit_now()
        if 2 * self._in_flight >= limit:
            self._set(limit + limit**-0.5)

    def shrink(self, slot: Slot) -> None:
        self._fall(slot, self._rule.fall * min(self._limit_now(), float(self._in_flight)))

    def _fall(self, slot: Slot, limit: float) -> None:
        # Calls that began before the last fall tell of the same trouble once more.
        if slot.turn == self._falls:
            self._falls += 1
            self._set(limit)

    def _set(self, limit: float) -> None:
        self._limit = min(max(limit, float(self._rule.least)), float(self._rule.most))
        self._limit_at = self._clock()
        self._lines.wake("")

    def _limit_now(self) -> float:
        if self._limit >= self._rule.most:
            return self._limit
        doublings = (self._clock() - self._limit_at) / self._rule.double_seconds
        grown: float = self._limit * 2.0 ** min(doublings, 32.0)
        return min(grown, float(self._rule.most))

    def _latency(self, kind: str) -> _Latency:
        latency = self._latencies.get(kind)
        if latency is None:
            if len(self._latencies) >= MOST_KINDS:
                del self._latencies[next(iter(self._latencies))]
            latency = self._latencies[kind] = _Latency()
        return latency
