"""The attempts at one step of a run, and the best that came of them."""

from typing import Any

from msgspec import Struct

from chat.engine.loop import Step
from chat.engine.plan import RunPlan
from chat.engine.recorder import Partial
from chat.events.fold import RunState, StepState
from chat.exceptions import ChatError
from chat.llm.attempt import CallFacts
from chat.llm.messages import ChatMessage
from chat.usage.estimates import MOST_MEASURED, Measured, estimate_input
from chat.usage.pricing import estimate_tokens


class Attempt(Struct):
    """One HTTP call. `error` None: it was answered in full, or stopped, or is still going on."""

    number: int
    plan: RunPlan
    """Of the model that was asked."""
    step: Step
    facts: CallFacts
    said: tuple[ChatMessage, ...] = ()
    """What the model was told after the plan's messages: this run's earlier steps."""
    error: ChatError | None = None
    noted: bool = False
    """The ledger knows that it is under way."""
    in_ledger: bool = False
    """Its row was written before the run ended."""
    _input: int | None = None

    def measured(self, *, needed: bool) -> Measured:
        """What the rule says of it, once it has ended. Of a long request only where that is `needed`."""
        if self._input is None:
            most = None if needed else MOST_MEASURED
            self._input = estimate_input(self.plan.request, self.said, most_characters=most)
        return Measured(self._input, estimate_tokens(self.step.written))

    @property
    def refused(self) -> bool:
        """There was no answer at all, and so nothing to bill. The same can be told from its row (engine/billed.py)."""
        status = self.facts.http_status
        return self.facts.began_at is None or (self.error is not None and (status is None or status >= 400))


class Kept(Struct, frozen=True):
    """What viewers were told to forget although nothing better has come yet."""

    state: dict[str, Any]
    length: int
    partial: Partial | None
    """As it goes to the database; None where it is from there."""

    @classmethod
    def of(cls, state: RunState, partial: Partial | None) -> "Kept":
        return cls({**state.as_dict(), "status": "running"}, text_length(state.steps), partial)


def copied(steps: list[StepState]) -> list[StepState]:
    """A copy that the database's threads may read while the run goes on."""
    return [step.copy() for step in steps]


def text_length(steps: list[StepState]) -> int:
    return sum(len(part.get("text", "")) for step in steps for part in step.parts)
