"""What all model calls of a process share: limits, breakers, retry budgets. One object a process."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from chat.conf import CallLimits
from chat.llm.client import ModelClient
from chat.resilience.adaptive_limit import AdaptiveLimit, AdaptiveRule, AdaptiveView
from chat.resilience.backends.base import Backend, BreakerRule, State
from chat.resilience.circuit_breaker import CircuitBreakers, Passage
from chat.resilience.concurrency import LeaseKeeper, Places
from chat.resilience.deadline import Clockwork
from chat.resilience.rate_limiter import RateLimiter
from chat.resilience.retry import BudgetRule, BudgetView, RetryBudget, RetryPolicy, RetryRule
from chat.resilience.waiting_line import Sleep

DEFAULT_RULE: Final = BreakerRule()

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
        self._backend = backend
        self._figures: dict[str, CallLimits] = {}
        self._adaptive: dict[str, AdaptiveLimit] = {}
        self._budgets: dict[str, RetryBudget] = {}
        self._background: set[asyncio.Task[None]] = set()

    # --- the figures in force --------------------------------------------------------------------------

    def take_figures(self, provider: str, limits: CallLimits) -> None:
        """What staff have set, as last read from the database: for all calls from now on, and for who waits now."""
        if self._figures.get(provider) == limits:
            return
        self._figures[provider] = limits
        if provider in self._adaptive:
            self.adaptive_limit(provider, limits)
        if provider in self._budgets:
            self.retry_budget(provider, limits)
        self.places.wake_all()
        self.limiter.wake_all()

    def figures(self, provider: str, otherwise: CallLimits) -> CallLimits:
        """The latest that were taken; a call may have been planned with older ones."""
        return self._figures.get(provider, otherwise)

    def known_providers(self) -> list[str]:
        return list(self._figures)

    def anybody_waits(self) -> bool:
        """In one of this process's lines."""
        return bool(
            self.places.lines()
            or self.limiter.lines()
            or any(limit.view().waiting for limit in self._adaptive.values())
        )

    # --- parts of a call -------------------------------------------------------------------------------

    def adaptive_limit(self, provider: str, limits: CallLimits) -> AdaptiveLimit:
        found = self._adaptive.get(provider)
        if found is None:
            rule = AdaptiveRule(most=limits.calls_at_once)
            found = self._adaptive[provider] = AdaptiveLimit(rule, clock=self.clock, sleep=self.sleep)
        elif found.rule.most != limits.calls_at_once:
            found.rule = AdaptiveRule(most=limits.calls_at_once)
        return found

    def retry_budget(self, provider: str, limits: CallLimits) -> RetryBudget:
        rule = BudgetRule(share=limits.retry_share, always=limits.retries_always)
        found = self._budgets.get(provider)
        if found is None:
            found = self._budgets[provider] = RetryBudget(rule, self.clock)
        elif found.rule != rule:
            found.rule = rule
        return found

    def retry_policy(self, provider: str, limits: CallLimits) -> RetryPolicy:
        rule = RetryRule(
            attempts=limits.attempts,
            base_seconds=limits.retry_base_seconds,
            cap_seconds=limits.retry_cap_seconds,
            longest_retry_after_seconds=limits.longest_retry_after_seconds,
        )
        return RetryPolicy(rule, self.retry_budget(provider, limits), uniform=self._uniform)

    def host_passage(
        self, url: str, rule: BreakerRule = DEFAULT_RULE
    ) -> AbstractAsyncContextManager[Passage]:
        """The breaker of the host that a tool or a webhook is about to call; say of the passage how it ended.

        Raises:
            CircuitOpen: on entering: it is left alone for now.
            ValueError: the URL names no host.
        """
        return self.breakers.passage(host_key(url), rule)

    # --- what staff see --------------------------------------------------------------------------------

    @property
    def shared(self) -> bool:
        """Whether breakers, buckets and places are meant to be those of all processes."""
        return self._backend.shared

    @property
    def alone(self) -> bool:
        """Whether this process counts for itself at the moment."""
        return self._backend.alone

    def adaptive_view(self, provider: str) -> AdaptiveView | None:
        """None: this process has not called it yet."""
        found = self._adaptive.get(provider)
        return found.view() if found is not None else None

    def budget_view(self, provider: str) -> BudgetView | None:
        """None: this process has not called it yet."""
        found = self._budgets.get(provider)
        return found.view() if found is not None else None

    # ---------------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """For what no answer should wait for."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def aclose(self) -> None:
        await self._keeper.aclose()
        for task in list(self._background):
            task.cancel()


def host_key(url: str) -> str:
    """The key of a host's breaker: its name alone, so that all of its ports and paths share one."""
    name = urlsplit(url).hostname
    if not name:
        raise ValueError(f"no host in {url!r}")
    return f"host:{name.rstrip('.')}"


def _log_change(key: str, before: State, after: State) -> None:
    logger.warning("circuit breaker", key=key, before=before, after=after)
