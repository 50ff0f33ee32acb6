"""Asking the model, for one step after another: attempts, other models where one does not answer, deltas told."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import structlog
from msgspec.structs import replace

from chat.conf import Coalescing
from chat.engine.attempts import Attempt
from chat.engine.loop import Step
from chat.engine.moderating import AnswerRules
from chat.engine.place import PlaceInLine
from chat.engine.plan import RunPlan
from chat.engine.pressure import LoopPressure
from chat.engine.telling import Telling
from chat.events import run_events as ev
from chat.events.coalescer import Coalescer
from chat.exceptions import ChatError, ProviderError
from chat.llm.attempt import CallFacts, Tell
from chat.llm.deltas import Delta
from chat.llm.guard import Guard
from chat.llm.messages import ChatMessage
from chat.llm.redaction import secrets_of
from chat.models import ModerationHit
from chat.moderation.rules import Rule
from chat.telemetry.runs import RunMeters

logger = structlog.get_logger(__name__)

MOST_CHARACTERS = 1_000_000
"""What one step may have; a provider that says more is stopped there."""


class Asking:
    """Hears what the guard says (`guard.Listener`), and tells it. `attempts` are those of all steps.

    `attempt_failed` is called when an attempt has ended that another one follows.
    """

    def __init__(
        self,
        plan: RunPlan,
        *,
        first_step: int,
        guard_for: Callable[[RunPlan], Guard],
        telling: Telling,
        attempt_failed: Callable[[], None],
        new_id: Callable[[], str],
        pressure: LoopPressure,
        coalescing: Coalescing,
        meters: RunMeters,
        clock: Callable[[], float],
    ) -> None:
        self.asked = plan
        """The plan of the model that is asked: another one's where the first has not answered."""
        self.attempts: list[Attempt] = []
        self.too_long = False
        self._rules = _rules_of(plan)
        self._guard_for = guard_for
        self._guard = guard_for(plan)
        self._telling = telling
        self._attempt_failed = attempt_failed
        self._new_id = new_id
        self._pressure = pressure
        self._coalescer = Coalescer(coalescing)
        self._window_seconds = coalescing.window_ms / 1000
        self._flush_handle: asyncio.TimerHandle | None = None
        self._meters = meters
        self._noted: set[tuple[str, str]] = set()
        self._line = PlaceInLine(self._tell_place, clock)
        self._said: tuple[ChatMessage, ...] = ()
        self._silent = False
        self._stopped = False
        self.step = self._new_step(first_step)

    def begin_step(self, number: int) -> None:
        self.step = self._new_step(number)
        self._telling.tell(ev.StepStarted(step=number, model=self.asked.model_name))

    @property
    def ended_by(self) -> Rule | None:
        """The rule of moderation that has ended the answer."""
        return self._rules.ended_by if self._rules is not None else None

    def take_hits(self) -> list[ModerationHit]:
        """What the rules have found and nobody has written down yet."""
        return self._rules.take_rows() if self._rules is not None else []

    async def ask(self, said: Sequence[ChatMessage]) -> None:
        """This step's answer, after what was `said` in the run's earlier steps. Returns when it is whole.

        Raises:
            ChatError: it is not.
            Interrupted: `stop` was called, or the model said too much.
        """
        while True:
            request = self.asked.request
            self._said = tuple(said)
            try:
                await self._guard.run(replace(request, messages=(*request.messages, *said)), self)
            except ChatError as error:
                detail = self._without_secrets(error)
                logger.info("model call failed", run=self.asked.run, code=error.code, detail=detail)
                if not self._go_on_with_next(error):
                    raise
            else:
                # A guard is for one call; the next step is another one.
                self._guard = self._guard_for(self.asked)
                return
            finally:
                self._line.leave()
                self.flush()

    def stop(self) -> None:
        self._stopped = True
        self._guard.stop()

    def be_silent(self) -> None:
        """Nothing more is told: the run is not ours any more."""
        self._silent = True
        self.stop()

    def close(self) -> None:
        self._line.leave()
        if self._flush_handle is not None:
            self._flush_handle.cancel()

    def flush(self) -> None:
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        if not self._silent:
            self._tell_all(self._coalescer.flush())

    def _new_step(self, number: int) -> Step:
        declared = frozenset(tool.name for tool in self.asked.request.tools)
        return Step(number, new_id=self._new_id, declared=declared)

    def _go_on_with_next(self, error: ChatError) -> bool:
        """The next model takes over where waiting might have helped and nobody has seen anything of this one."""
        following, telling = self.asked.following, self._telling
        if following is None or not error.retryable or telling.kept is not None or telling.shows_something:
            return False
        if self._stopped or self.ended_by is not None:
            return False
        logger.info("another model is asked", run=self.asked.run, model=following.model_name)
        step, before = self.step.number, self.asked.model_name
        self.asked, self._guard = following, self._guard_for(following)
        telling.forget(step, "other_model")
        telling.tell(ev.StepStarted(step=step, model=following.model_name))
        telling.tell(
            ev.StepNote(step, "other_model", following.model_name, instead_of=before, reason=error.code)
        )
        self._attempt_failed()
        return True

    # --- what the guard says ----------------------------------------------------------------------------

    def attempt_began(self, facts: CallFacts, dropped: Sequence[str]) -> Tell:
        self._line.got()
        self.step = self._new_step(self.step.number)
        if self._rules is not None:
            self._rules.begin()
        number = 1 + sum(attempt.step.number == self.step.number for attempt in self.attempts)
        self.attempts.append(Attempt(number, self.asked, self.step, facts, self._said))
        model = self.asked.model_name
        for option in dropped:
            if (model, option) not in self._noted and not self._silent:
                self._noted.add((model, option))
                self._telling.tell(ev.StepNote(self.step.number, "option_dropped", model, option=option))
        return self._take

    def attempt_ended(self, error: ProviderError | None) -> None:
        self.flush()
        self.attempts[-1].error = error

    def retrying(self, wait_seconds: float, error: ProviderError) -> None:
        if self._silent or self.ended_by is not None:
            return
        self._telling.keep()
        self._telling.forget(self.step.number, "retrying")
        self._meters.retried(self.asked.provider, error.code)
        wait_ms = round(wait_seconds * 1000)
        attempt = self.attempts[-1].number + 1
        self._telling.tell(ev.RunRetrying(attempt=attempt, wait_ms=wait_ms, reason=error.code))
        self._attempt_failed()

    def waiting(self, place: int) -> None:
        self._line.stands(place)

    # --- telling ----------------------------------------------------------------------------------------

    def _take(self, deltas: list[Delta]) -> None:
        if self._silent or self.too_long or self.ended_by is not None:
            return
        events = self.step.take(deltas)
        if self._rules is not None:
            events = self._rules.through(events, self.step)
        self._tell_all(self._coalescer.add(events, hold=self._pressure.high))
        if self.step.length > MOST_CHARACTERS:
            self.too_long = True
        if self.too_long or self.ended_by is not None:
            self.step.filtered = self.ended_by is not None
            # Not from within its own task: what ends without another wait would take the interruption along.
            asyncio.get_running_loop().call_soon(self._guard.stop)
        if self._coalescer.holding and self._flush_handle is None:
            self._flush_handle = asyncio.get_running_loop().call_later(self._window_seconds, self.flush)

    def _tell_all(self, events: Sequence[Any]) -> None:
        self._meters.deltas += len(events)
        for event in events:
            self._telling.tell(event)

    def _tell_place(self, place: int) -> None:
        if not self._silent:
            self._telling.tell(ev.RunWaiting(place=place))

    def _without_secrets(self, error: ChatError) -> str:
        """Some providers repeat the key they refuse, and errors of the line name the address."""
        return secrets_of(self.asked.api_key, self.asked.endpoint).hide_in(error.detail)


def _rules_of(plan: RunPlan) -> AnswerRules | None:
    """None where nothing is looked for: then no delta costs anything."""
    rules = plan.rules.output
    if rules is None:
        return None
    return AnswerRules(rules, run=UUID(plan.run), message=UUID(plan.message), user=plan.user)
