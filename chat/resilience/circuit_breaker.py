"""A circuit breaker (Michael T. Nygard, "Release It!", 2007; states as in Martin Fowler, "CircuitBreaker", 2014).

closed -> open after `failures` in a row -> half_open after `open_seconds`, with at most `probes` calls at a time
over all processes -> closed after `successes`, open again after one failure. Staff may force it open or closed.
Only the caller knows what counts as a failure; a call that nothing is said of counts as nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from chat.resilience.backends.base import (
    Backend,
    BreakerRule,
    BreakerView,
    Forced,
    Outcome,
    State,
    probe_key,
)
from chat.resilience.concurrency import LEASE_SECONDS, LeaseKeeper

OnChange = Callable[[str, State, State], None]
"""Hears key, the state this process knew, and the new one. Must not block."""


class CircuitOpen(Exception):
    """Not let through. `retry_after_seconds` None: staff have forced it open."""

    def __init__(self, key: str, state: State, retry_after_seconds: float | None) -> None:
        super().__init__(f"{key} is {state}")
        self.key = key
        self.state = state
        self.retry_after_seconds = retry_after_seconds


class Passage:
    """One call that was let through. The last word counts."""

    __slots__ = ("generation", "holder", "outcome", "probe", "settled")

    def __init__(self, generation: int, holder: str, probe: bool) -> None:
        self.generation = generation
        self.holder = holder
        self.probe = probe
        self.settled = False
        """It has been counted as a success before its end."""
        self.outcome: Outcome = "neutral"

    def succeeded(self) -> None:
        self.outcome = "success"

    def failed(self) -> None:
        self.outcome = "failure"


class CircuitBreakers:
    """All breakers of one kind, by key (`provider:7`, `host:example.org`). Keeps nothing for those that are well."""

    def __init__(self, backend: Backend, keeper: LeaseKeeper, *, on_change: OnChange | None = None) -> None:
        self._backend = backend
        self._keeper = keeper
        self._on_change = on_change
        self._last_seen: dict[str, State] = {}

    @asynccontextmanager
    async def passage(self, key: str, rule: BreakerRule) -> AsyncIterator[Passage]:
        """Lets the block run, and records what was said of it.

        Raises:
            CircuitOpen: it is not let through; nothing is recorded.
        """
        passage = await self._enter(key, rule)
        try:
            yield passage
        finally:
            await self._leave(key, rule, passage)

    async def _enter(self, key: str, rule: BreakerRule) -> Passage:
        holder = self._keeper.new_holder()
        try:
            admission = await self._backend.breaker_admit(
                key, rule, holder=holder, lease_seconds=LEASE_SECONDS
            )
        except asyncio.CancelledError:
            # The answer that let a probe through may be lost on its way.
            await self._backend.release(probe_key(key), holder)
            raise
        if admission.probe:
            self._keeper.keep(probe_key(key), holder)
        self._notice(key, admission.state)
        if not admission.granted:
            raise CircuitOpen(key, admission.state, admission.retry_after_seconds)
        return Passage(admission.generation, holder, admission.probe)

    async def settle(self, key: str, rule: BreakerRule, passage: Passage) -> None:
        """A probe that goes well gives its place back and counts as a success; should it fail yet, that counts, too.

        For calls that take long: nobody should wait for the end of a probe's answer.
        """
        if not passage.probe or passage.settled:
            return
        passage.settled = True
        self._keeper.drop(probe_key(key), passage.holder)
        state = await self._backend.breaker_record(
            key, rule, "success", generation=passage.generation, holder=passage.holder
        )
        self._notice(key, state)

    async def _leave(self, key: str, rule: BreakerRule, passage: Passage) -> None:
        settled, passage.settled = passage.settled, True
        if settled:
            if passage.outcome != "failure":
                return
        elif passage.probe:
            self._keeper.drop(probe_key(key), passage.holder)
        elif passage.outcome == "neutral":
            return
        state = await self._backend.breaker_record(
            key, rule, passage.outcome, generation=passage.generation, holder=passage.holder
        )
        self._notice(key, state)

    async def force(self, key: str, state: Forced | None) -> None:
        """None: closed, and counting again."""
        await self._backend.breaker_force(key, state)
        self._notice(key, state or "closed")

    async def views(self) -> dict[str, BreakerView]:
        """What is known of all keys; one that is missing is closed, without a failure."""
        return await self._backend.breakers()

    def _notice(self, key: str, state: State) -> None:
        before = self._last_seen.get(key, "closed")
        if state == before:
            return
        if state == "closed":
            del self._last_seen[key]
        else:
            self._last_seen[key] = state
        if self._on_change is not None:
            self._on_change(key, before, state)
