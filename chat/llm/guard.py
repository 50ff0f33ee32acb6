"""What stands around one model call: lines and limits, the breaker, retries. Knows no framework and no events.

The order, from outside in: places (user, provider), then for each attempt the buckets, the adaptive limit and the
breaker. Of all that is said here users hear through the `Listener`.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final, Protocol
from uuid import UUID

import structlog
from msgspec import Struct
from msgspec.structs import replace

from chat.conf import CallLimits, Deadlines
from chat.exceptions import (
    ChatError,
    LeftAlone,
    ProviderCut,
    ProviderError,
    ProviderGarbage,
    ProviderOverloaded,
    ProviderTimeout,
    RateLimited,
)
from chat.llm.attempt import CallFacts, ModelCall, Tell
from chat.llm.client import Endpoint
from chat.llm.dialects.base import Dialect
from chat.llm.dialects.errors import capability_after_refusal
from chat.llm.dialects.fitting import is_streamed
from chat.llm.messages import ModelRequest
from chat.llm.safeguards import Safeguards
from chat.llm.tape import Tape
from chat.resilience.adaptive_limit import Slot
from chat.resilience.backends.base import BreakerRule, Bucket
from chat.resilience.circuit_breaker import CircuitOpen, Passage
from chat.resilience.deadline import CallTimer
from chat.resilience.rate_headers import rate_limits
from chat.resilience.waiting_line import WaitedTooLong

logger = structlog.get_logger(__name__)

OVERLOADED: Final = frozenset({429, 503, 529, None})
"""Statuses that say "too much"; None is an overload told inside a stream. A 500 says nothing of the load."""
BUSY_AGAIN_SECONDS: Final = 5.0
"""When to come back to a full line: nobody knows when those before will have been answered."""
MOST_REFUSED_FIELDS: Final = 5
CHARACTERS_A_TOKEN: Final = 4
_AT_FAULT = (ProviderOverloaded, ProviderTimeout, ProviderCut, ProviderGarbage)


class Listener(Protocol):
    """Who wants the answer. No method may block."""

    def attempt_began(self, facts: CallFacts, dropped: Sequence[str]) -> Tell:
        """An attempt goes out; `facts` fills while it runs. Its deltas go where this says.

        `dropped` are the options that the model refuses and is not asked with (`WireRequest.dropped`).
        """

    def attempt_ended(self, error: ProviderError | None) -> None:
        """Not called for an attempt that was stopped."""

    def retrying(self, wait_seconds: float, error: ProviderError) -> None:
        """The attempt that has just ended is made again after so long; what it has shown does not count."""

    def waiting(self, place: int) -> None:
        """The call stands in a line, 1 is next."""


class CallTarget(Struct, frozen=True):
    """Whom to ask for whom. `user`, `provider` and `model` are keys that stay, not names."""

    user: str
    provider: str
    model: str
    dialect: Dialect
    endpoint: Endpoint
    api_key: str
    deadlines: Deadlines
    limits: CallLimits = CallLimits()


class Guard:
    """One step's call, run once, in as many attempts as it takes; `stop` ends it at once, wherever it is."""

    def __init__(
        self,
        safeguards: Safeguards,
        target: CallTarget,
        *,
        remember: Callable[[str], None] | None = None,
        tape_for: Callable[[UUID], Tape | None] | None = None,
    ) -> None:
        """`remember` hears of each capability that the model's refusals tell of. It must not block.

        `tape_for` gives the tape of an attempt, by its key in the ledger.
        """
        self._safeguards = safeguards
        self._target = target
        self._provider = f"provider:{target.provider}"
        self._requests, self._tokens = f"requests:{target.model}", f"tokens:{target.model}"
        self._remember = remember
        self._tape_for = tape_for
        self._refused_fields = 0
        self._stops = CallTimer(target.deadlines, safeguards.clock)

    @property
    def _limits(self) -> CallLimits:
        """Staff may change them while the call stands in a line."""
        return self._safeguards.figures(self._target.provider, self._target.limits)

    def stop(self) -> None:
        self._stops.interrupt("stopped")

    async def run(self, request: ModelRequest, listener: Listener) -> None:
        """Returns when the answer is whole. All attempts and waits together take `total_seconds` at most.

        Raises:
            ProviderError: it is not; what the last attempt ended in, or that the breaker is open.
            RateLimited: no place or no token became free in time.
            Interrupted: `stop` was called; the line upstream is closed.
        """
        began = self._safeguards.clock()
        until = began + self._target.deadlines.total_seconds
        with self._stops.watching():
            self._safeguards.retry_budget(self._target.provider, self._limits).note_call()
            try:
                async with AsyncExitStack() as stack:
                    await self._take_places(stack, listener)
                    await self._make(request, listener, began, until)
            except WaitedTooLong as waited:
                raise _refusal(waited) from None

    async def _take_places(self, stack: AsyncExitStack, listener: Listener) -> None:
        limits = self._limits
        if not limits.limited:
            return
        places = (
            (f"user:{self._target.user}", lambda: self._limits.calls_per_user),
            (self._provider, lambda: self._limits.calls_at_once),
        )
        wait_seconds = min(limits.wait_seconds, self._target.deadlines.total_seconds)
        for key, most in places:
            place = self._safeguards.places.hold(
                key, most, wait_seconds=wait_seconds, on_wait=listener.waiting
            )
            await stack.enter_async_context(place)

    async def _make(self, request: ModelRequest, listener: Listener, queued_at: float, until: float) -> None:
        clock = self._safeguards.clock
        failed: ProviderError | None = None
        tries = 0
        while True:
            try:
                failed = await self._attempt(request, listener, queued_at, until)
            except (CircuitOpen, WaitedTooLong) as closed:
                # What went wrong says more than that it shall not be tried again now.
                raise failed or _refusal(closed) from None
            if failed is None:
                return
            queued_at = clock()
            if (mended := self._without_refused(request, failed)) is not None:
                request = mended
                continue
            tries += 1
            policy = self._safeguards.retry_policy(self._target.provider, self._limits)
            wait_seconds = policy.decide(failed, tries)
            if wait_seconds is None or queued_at + wait_seconds >= until:
                raise failed
            listener.retrying(wait_seconds, failed)
            await self._safeguards.sleep(wait_seconds)
            queued_at = clock()

    async def _attempt(
        self, request: ModelRequest, listener: Listener, queued_at: float, until: float
    ) -> ProviderError | None:
        """One attempt; the error it ended in, None for a whole answer.

        Raises:
            CircuitOpen, WaitedTooLong: it was not made.
        """
        async with AsyncExitStack() as stack:
            slot = await self._take_turn(stack, request, listener, until)
            passage = await self._pass_breaker(stack)
            now = self._safeguards.clock()
            facts = CallFacts(queued_seconds=now - queued_at)
            wire = self._target.dialect.build(request, api_key=self._target.api_key)
            call = self._call(facts, slot, passage, request, until - now)
            tell = listener.attempt_began(facts, wire.dropped)
            try:
                await call.run(wire, tell)
            except ProviderError as error:
                _note_failure(error, slot, passage)
                # Before anything is waited for: a stop from here on finds an attempt that has failed.
                listener.attempt_ended(error)
                if slot is not None:
                    await self._heed(error, call)
                return error
            passage.succeeded()
            if facts.first_token_at is None and slot is not None:
                slot.succeeded(None)
            listener.attempt_ended(None)
            return None

    async def _take_turn(
        self, stack: AsyncExitStack, request: ModelRequest, listener: Listener, until: float
    ) -> Slot | None:
        limits, safeguards = self._limits, self._safeguards
        if not limits.limited:
            return None
        tokens = _tokens_in(request)

        def buckets() -> tuple[Bucket, ...]:
            now = self._limits
            return (
                Bucket(self._provider, now.calls_per_second, now.calls_burst),
                Bucket(self._requests),
                Bucket(self._tokens, amount=tokens),
            )

        def longest_wait() -> float:
            return min(limits.wait_seconds, until - safeguards.clock())

        await safeguards.limiter.take(
            self._requests, buckets, wait_seconds=longest_wait(), on_wait=listener.waiting
        )
        adaptive = safeguards.adaptive_limit(self._target.provider, limits)
        return await stack.enter_async_context(
            adaptive.slot(wait_seconds=longest_wait(), on_wait=listener.waiting)
        )

    async def _pass_breaker(self, stack: AsyncExitStack) -> Passage:
        """The scripted provider has none: it fails for whoever asks it to, which says nothing of the next answer."""
        if not self._limits.limited:
            return Passage(0, "", probe=False)
        passage = self._safeguards.breakers.passage(self._provider, _breaker_rule(self._limits))
        return await stack.enter_async_context(passage)

    def _call(
        self,
        facts: CallFacts,
        slot: Slot | None,
        passage: Passage,
        request: ModelRequest,
        left_seconds: float,
    ) -> ModelCall:
        streamed = is_streamed(request)

        def shown() -> None:
            if passage.probe:
                rule = _breaker_rule(self._limits)
                self._safeguards.spawn(self._safeguards.breakers.settle(self._provider, rule, passage))
            if slot is not None and facts.first_token_at is not None and facts.began_at is not None:
                waited_seconds = facts.first_token_at - facts.began_at
                slot.succeeded(waited_seconds if streamed else None, request.model)
                # Only now: nobody should wait for their first token because of it.
                self._safeguards.spawn(self._learn(call))

        target, safeguards = self._target, self._safeguards
        deadlines = replace(target.deadlines, total_seconds=left_seconds)
        if not streamed:  # its first word comes with its last
            deadlines = replace(deadlines, first_token_seconds=left_seconds)
        call = ModelCall(
            client=safeguards.client,
            clockwork=safeguards.clockwork,
            clock=safeguards.clock,
            dialect=target.dialect,
            endpoint=target.endpoint,
            deadlines=deadlines,
            facts=facts,
            on_first_token=shown,
            tape=self._tape_for(facts.call) if self._tape_for is not None else None,
        )
        return call

    async def _heed(self, error: ProviderError, call: ModelCall) -> None:
        """What the provider tells of its limits when it refuses."""
        if call.facts.first_token_at is None:
            await self._learn(call)
        if _is_overload(error) and error.retry_after_seconds:
            seconds = min(error.retry_after_seconds, self._limits.longest_retry_after_seconds)
            await self._safeguards.limiter.hold_off(self._requests, seconds)

    async def _learn(self, call: ModelCall) -> None:
        if call.headers:
            told = rate_limits(call.headers, self._safeguards.wall_clock())
            await self._safeguards.limiter.learn(
                ((self._requests, told.requests), (self._tokens, told.tokens))
            )

    def _without_refused(self, request: ModelRequest, error: ProviderError) -> ModelRequest | None:
        """The request without the field that was refused, None where that is not what is wrong."""
        if not error.field:
            return None
        capability = capability_after_refusal(error.field, request.capabilities)
        if capability in request.capabilities or self._refused_fields >= MOST_REFUSED_FIELDS:
            return None
        self._refused_fields += 1
        logger.info("model refuses a field", model=request.model, field=error.field)
        if self._remember is not None:
            self._remember(capability)
        return replace(request, capabilities=request.capabilities | {capability})


def _note_failure(error: ProviderError, slot: Slot | None, passage: Passage) -> None:
    if isinstance(error, _AT_FAULT):
        passage.failed()
    late = isinstance(error, ProviderTimeout) and error.phase == "first_token"
    if slot is not None and (late or _is_overload(error)):
        slot.overloaded()


def _is_overload(error: ProviderError) -> bool:
    return isinstance(error, ProviderOverloaded) and error.status in OVERLOADED


def _refusal(closed: CircuitOpen | WaitedTooLong) -> ChatError:
    if isinstance(closed, CircuitOpen):
        phase = "switched_off" if closed.state == "forced_open" else "left_alone"
        return LeftAlone(phase, detail=str(closed), retry_after_seconds=closed.retry_after_seconds)
    return RateLimited(
        detail=f"waited too long for {closed}",
        retry_after_seconds=BUSY_AGAIN_SECONDS
        if closed.retry_after_seconds is None
        else closed.retry_after_seconds,
    )


def _breaker_rule(limits: CallLimits) -> BreakerRule:
    return BreakerRule(
        failures=limits.breaker_failures,
        open_seconds=limits.breaker_open_seconds,
        probes=limits.breaker_probes,
        successes=limits.breaker_successes,
    )


def _tokens_in(request: ModelRequest) -> float:
    """Roughly: a bucket of tokens is no bill."""
    length = len(request.system) + sum(
        len(getattr(part, "text", "")) for message in request.messages for part in message.parts
    )
    return max(1.0, length / CHARACTERS_A_TOKEN)
