"""The one function that folds a run's events into what a viewer sees; the browser has its twin.

Law: folding all events of a run gives the stored message; a snapshot and the events after it fold to the same.
The twins share tests/fixtures/fold. A state is `{status, message, steps: [{step, finished, parts}], usage, cost}`;
a step of which something is to be noted has `notes` too.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from chat.events import run_events as ev

Part = dict[str, Any]
Note = dict[str, str]
"""A `step.note` without its type and its step, or what `moderation.flagged` says."""


class StepState(Struct):
    step: int
    finished: bool = False
    parts: list[Part] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """`notes` only where there are some."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        if not self.notes:
            del plain["notes"]
        return plain

    def copy(self) -> "StepState":
        """One that stays as it is while this one grows. What the parts hold is replaced, never changed."""
        return StepState(self.step, self.finished, [dict(part) for part in self.parts], list(self.notes))


class RunState:
    """Mutable, because it is fed once a delta. Growing text is kept in pieces and joined when somebody looks."""

    def __init__(self, message: str | None = None, status: str = "queued") -> None:
        self.message = message
        self.status = status
        self.usage: Any = None
        self.cost: Any = None
        self._steps: list[StepState] = []
        self._open: Part | None = None
        self._pieces: list[str] = []

    @property
    def steps(self) -> list[StepState]:
        self._settle()
        return self._steps

    @property
    def parts(self) -> list[Part]:
        """All steps' parts in order: what is stored as the message."""
        return [part for step in self.steps for part in step.parts]

    def as_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = msgspec.to_builtins(
            {
                "status": self.status,
                "message": self.message,
                "steps": [step.as_dict() for step in self.steps],
                "usage": self.usage,
                "cost": self.cost,
            }
        )
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "RunState":
        state = cls(plain["message"], plain["status"])
        state.usage, state.cost = plain.get("usage"), plain.get("cost")
        state._steps = msgspec.convert(plain["steps"], list[StepState])
        return state

    def apply(self, event: ev.RunEvent) -> None:
        """Takes in the next event. Events that say nothing about the message pass by."""
        fold = _FOLDS.get(type(event))
        if fold is not None:
            fold(self, event)

    def _step(self) -> StepState:
        if not self._steps:
            self._steps.append(StepState(step=1))
        return self._steps[-1]

    def _numbered(self, number: int) -> StepState | None:
        self._settle()
        return next((step for step in self._steps if step.step == number), None)

    def _grow(self, kind: str, text: str) -> None:
        if self._open is not None and self._open["type"] == kind:
            self._pieces.append(text)
            return
        self._settle()
        parts = self._step().parts
        if not parts or parts[-1]["type"] != kind or "opaque" in parts[-1]:
            parts.append({"type": kind, "text": ""})
        self._open = parts[-1]
        self._pieces = [self._open["text"], text]

    def _sign(self, text: str, opaque: Any) -> None:
        """With `opaque` a part of reasoning is closed: the next thought is a part of its own."""
        if text:
            self._grow("reasoning", text)
        self._settle()
        parts = self._step().parts
        thoughts = (part for part in reversed(parts) if part["type"] == "reasoning" and "opaque" not in part)
        thought = next(thoughts, None)
        if thought is None:
            thought = {"type": "reasoning", "text": ""}
            parts.append(thought)
        thought["opaque"] = opaque

    def _settle(self) -> None:
        if self._open is not None:
            self._open["text"] = "".join(self._pieces)
            self._open = None
            self._pieces = []

    def _add(self, part: Part) -> None:
        self._settle()
        self._step().parts.append(part)

    def _tool_call(self, invocation: str) -> tuple[StepState, Part] | None:
        self._settle()
        for step in reversed(self._steps):
            for part in step.parts:
                if part["type"] == "tool_call" and part["invocation"] == invocation:
                    return step, part
        return None


def _started(state: RunState, event: ev.RunStarted) -> None:
    state.message, state.status = event.message, "running"


def _snapshot(state: RunState, event: ev.RunSnapshot) -> None:
    state._open, state._pieces = None, []
    fresh = RunState.from_dict(event.state)
    state.message, state.status, state._steps = fresh.message, fresh.status, fresh._steps
    state.usage, state.cost = fresh.usage, fresh.cost


def _step_started(state: RunState, event: ev.StepStarted) -> None:
    step = state._numbered(event.step)
    if step is None:
        state._steps.append(StepState(step=event.step))
    else:
        step.finished = False


def _step_reset(state: RunState, event: ev.StepReset) -> None:
    if (step := state._numbered(event.step)) is not None:
        step.parts.clear()
        step.finished = False


def _step_finished(state: RunState, event: ev.StepFinished) -> None:
    if (step := state._numbered(event.step)) is not None:
        step.finished = True


def _step_note(state: RunState, event: ev.StepNote) -> None:
    if (step := state._numbered(event.step)) is not None:
        note = msgspec.to_builtins(event)
        step.notes.append({name: word for name, word in note.items() if name not in ("type", "step")})


def _flagged(state: RunState, event: ev.ModerationFlagged) -> None:
    note = {"kind": "moderation", "rule": event.rule, "action": event.action}
    notes = state._step().notes
    if note not in notes:
        notes.append(note)


def _reasoning(state: RunState, event: ev.ReasoningDelta) -> None:
    if event.opaque is None:
        state._grow("reasoning", event.text)
    else:
        state._sign(event.text, event.opaque)


def _tool_arguments(state: RunState, event: ev.ToolArgumentsDelta) -> None:
    found = state._tool_call(event.invocation)
    if found is not None and isinstance(found[1]["arguments"], str):
        found[1]["arguments"] += event.text


def _tool_ready(state: RunState, event: ev.ToolReady) -> None:
    if (found := state._tool_call(event.invocation)) is not None:
        found[1]["arguments"] = event.arguments
        _forget_how_it_stands(found[1])


def _tool_waiting(state: RunState, event: ev.ToolWaiting) -> None:
    if (found := state._tool_call(event.invocation)) is not None:
        found[1].update({"status": "waiting", "for": event.for_})


def _tool_running(state: RunState, event: ev.ToolRunning) -> None:
    if (found := state._tool_call(event.invocation)) is not None:
        _forget_how_it_stands(found[1])
        found[1]["status"] = "running"


def _forget_how_it_stands(part: Part) -> None:
    part.pop("status", None)
    part.pop("for", None)


def settled(steps: Sequence[StepState]) -> list[StepState]:
    """As they are stored once the run has ended: no step is open, no call waits or runs."""
    last = [step.copy() for step in steps]
    for step in last:
        step.finished = True
        for part in step.parts:
            if part["type"] == "tool_call":
                _forget_how_it_stands(part)
    return last


def _finished(state: RunState, event: ev.RunFinished) -> None:
    for part in state.parts:
        if part["type"] == "tool_call":
            _forget_how_it_stands(part)
    state.status = event.status
    state.usage, state.cost = msgspec.to_builtins(event.usage), msgspec.to_builtins(event.cost)


def _tool_finished(state: RunState, event: ev.ToolFinished) -> None:
    found = state._tool_call(event.invocation)
    step = found[0] if found is not None else state._step()
    if found is not None:
        _forget_how_it_stands(found[1])
    part = {
        "type": "tool_result",
        "invocation": event.invocation,
        "status": event.status,
        "result": event.result,
    }
    if event.files:
        part["files"] = msgspec.to_builtins(event.files)
    step.parts.append(part)


_FOLDS: dict[type, Callable[[RunState, Any], None]] = {
    ev.RunStarted: _started,
    ev.RunSnapshot: _snapshot,
    ev.StepStarted: _step_started,
    ev.StepReset: _step_reset,
    ev.StepFinished: _step_finished,
    ev.StepNote: _step_note,
    ev.ModerationFlagged: _flagged,
    ev.TextDelta: lambda state, event: state._grow("text", event.text),
    ev.ReasoningDelta: _reasoning,
    ev.RefusalDelta: lambda state, event: state._grow("refusal", event.text),
    ev.Citation: lambda state, event: state._add(msgspec.to_builtins(event)),
    ev.Image: lambda state, event: state._add(msgspec.to_builtins(event)),
    ev.ImageBox: lambda state, event: state._add(
        {**msgspec.to_builtins(event), "type": "box", "box": list(event.box)}
    ),
    ev.ToolStarted: lambda state, event: state._add(
        {"type": "tool_call", "invocation": event.invocation, "name": event.name, "arguments": ""}
    ),
    ev.ToolArgumentsDelta: _tool_arguments,
    ev.ToolReady: _tool_ready,
    ev.ToolWaiting: _tool_waiting,
    ev.ToolRunning: _tool_running,
    ev.ToolFinished: _tool_finished,
    ev.RunFinished: _finished,
}
