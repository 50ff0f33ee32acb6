"""What all model calls of a process share: limits, breakers, retry budgets. One object a process."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from chat.conf import CallLimits
from chat.llm.client import ModelClient
from chat.resilience.adaptive_limit import AdaptiveLimit, AdaptiveRule
from chat.resilience.backends.base import Backend, State
from chat.resilience.circuit_breaker import CircuitBreakers
from chat.resilience.concurrency import LeaseKeeper, Places
from chat.resilience.deadline import Clockwork
from chat.resilience.rate_limiter import RateLimiter
from chat.resilience.retry import BudgetRule, RetryBudget, RetryPolicy, RetryRule
from chat.resilience.waiting_line import Sleep

logger = structlog.get_logger(__name__)


class Safeguards:
    """`clock` grows and nothing else; `wall_clock` is seconds since 1970; `name` tells this process from all others.

    Breakers, buckets and places are the backend's, and so shared where it is; adaptive limits and retry budgets are
    this process's own.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        client: ModelClient,
        clockwork: Clockwork,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        sleep: Sleep,
        uniform: Callable[[float, float], float],
        name: str,
    ) -> None:
        self.client = client
        self.clockwork = clockwork
        self.clock = clock
        self.wall_clock = wall_clock
        self.sleep = sleep
        self._uniform = uniform
        self._keeper = LeaseKeeper(backend, name=name, sleep=sleep)
        self.places = Places(backend, self._keeper, clock=clock, sleep=sleep)
        self.breakers = CircuitBreakers(backend, self._keeper, on_change=_log_change)
        self.limiter = RateLimiter(backend, clock=clock, sleep=sleep)
        self._adaptive: dict[str, AdaptiveLimit] = {}
        self._budgets: dict[str, tuple[BudgetRule, RetryBudget]] = {}
        self._background: set[asyncio.Task[None]] = set()

    def adaptive_limit(self, provider: str, limits: CallLimits) -> AdaptiveLimit:
        found = self._adaptive.get(provider)
        if found is None:
            rule = AdaptiveRule(most=limits.calls_at_once)
            found = self._adaptive[provider] = AdaptiveLimit(rule, clock=self.clock, sleep=self.sleep)
        elif found.rule.most != limits.calls_at_once:
            found.rule = AdaptiveRule(most=limits.calls_at_once)
        return found

    def retry_budget(self, provider: str, limits: CallLimits) -> RetryBudget:
        """With other figures it begins anew: the last minute's calls are forgotten."""
        rule = BudgetRule(share=limits.retry_share, always=limits.retries_always)
        found = self._budgets.get(provider)
        if found is None or found[0] != rule:
            found = self._budgets[provider] = (rule, RetryBudget(rule, self.clock))
        return found[1]

    def retry_policy(self, provider: str, limits: CallLimits) -> RetryPolicy:
        rule = RetryRule(
            attempts=limits.attempts,
            base_seconds=limits.retry_base_seconds,
            cap_seconds=limits.retry_cap_seconds,
            longest_retry_after_seconds=limits.longest_retry_after_seconds,
        )
        return RetryPolicy(rule, self.retry_budget(provider, limits), uniform=self._uniform)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """For what no answer should wait for."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def aclose(self) -> None:
        await self._keeper.aclose()
        for task in list(self._background):
            task.cancel()


def _log_change(key: str, before: State, after: State) -> None:
    logger.warning("circuit breaker", key=key, before=before, after=after)
