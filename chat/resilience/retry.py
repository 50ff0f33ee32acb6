"""When to try again, and when not to: full jitter, the provider's own word, and a budget.

Waits follow Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): "full jitter". The budget
follows "Handling Overload" (Site Reliability Engineering, O'Reilly 2016) and Finagle's RetryBudget: retries are a
share of calls, so a provider that fails altogether is not asked much more often than one that does not.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from chat.exceptions import ChatError

WINDOW_SECONDS: Final = 60


class RetryRule(Struct, frozen=True):
    attempts: int = 3
    base_seconds: float = 0.5
    cap_seconds: float = 20.0
    longest_retry_after_seconds: float = 60.0


class BudgetRule(Struct, frozen=True):
    """`share` of the calls of the last minute may be retries, and `always` a minute whatever the calls."""

    share: float = 0.1
    always: int = 10


class BudgetView(Struct, frozen=True):
    """The last minute: calls, their retries, and how many retries these calls allow."""

    calls: int
    retries: int
    allowed: int


class RetryBudget:
    """Of one provider in one process. A minute in seconds, counted exactly to the second; nothing runs."""

    def __init__(self, rule: BudgetRule, clock: Callable[[], float]) -> None:
        self._rule = rule
        self._clock = clock
        self._calls = [0] * WINDOW_SECONDS
        self._retries = [0] * WINDOW_SECONDS
        self._second = int(clock())
        self._made = 0
        self._taken = 0

    @property
    def rule(self) -> BudgetRule:
        return self._rule

    @rule.setter
    def rule(self, rule: BudgetRule) -> None:
        """Settings changed: the last minute stays counted."""
        self._rule = rule

    def note_call(self) -> None:
        """A call that somebody asked for; its retries are not noted."""
        self._calls[self._turn()] += 1
        self._made += 1

    def take(self) -> bool:
        """One retry from the budget; False: it is used up."""
        place = self._turn()
        if self._taken >= self._allowed():
            return False
        self._retries[place] += 1
        self._taken += 1
        return True

    def view(self) -> BudgetView:
        self._turn()
        return BudgetView(self._made, self._taken, self._allowed())

    def _allowed(self) -> int:
        # 0.1 of 70 is 7, whatever floating point makes of it.
        return max(self._rule.always, int(self._rule.share * self._made + 1e-9))

    def _turn(self) -> int:
        """Forgets what is older than the window; the place of this second."""
        second = int(self._clock())
        for passed in range(self._second + 1, min(second, self._second + WINDOW_SECONDS) + 1):
            place = passed % WINDOW_SECONDS
            self._made -= self._calls[place]
            self._taken -= self._retries[place]
            self._calls[place] = self._retries[place] = 0
        self._second = max(self._second, second)
        return self._second % WINDOW_SECONDS


class RetryPolicy:
    """`uniform` is `random.uniform`."""

    def __init__(
        self, rule: RetryRule, budget: RetryBudget, *, uniform: Callable[[float, float], float]
    ) -> None:
        self._rule = rule
        self._budget = budget
        self._uniform = uniform

    def decide(self, error: ChatError, attempt: int) -> float | None:
        """Seconds to wait before the next attempt, None: this error is the end. A retry is taken from the budget.

        `attempt` is the number of attempts made so far, this one included: 1 after the first.
        """
        rule = self._rule
        asked_seconds = error.retry_after_seconds or 0.0
        if not error.retryable or attempt >= rule.attempts:
            return None
        if asked_seconds > rule.longest_retry_after_seconds or not self._budget.take():
            return None
        return max(0.0, asked_seconds) + self._uniform(0.0, self._longest(attempt))

    def _longest(self, attempt: int) -> float:
        # The exponent is bounded because 2.0 ** 1024 is an error.
        return min(self._rule.cap_seconds, self._rule.base_seconds * 2.0 ** min(attempt - 1, 64))
