"""The pure middle of a run: deltas of model calls in, run events out. No I/O, no Django."""

from collections.abc import Callable, Container, Iterable
from typing import Any, assert_never

import msgspec
from msgspec import Struct

from chat.events import run_events as ev
from chat.llm import deltas as d
from chat.llm.wrapped_calls import WRAPPERS, unwrapped


class AskedCall(Struct, frozen=True):
    """One call of a tool that the model has asked for. `arguments` is the JSON it wrote, `opaque` goes back with it."""

    invocation: str
    id: str
    name: str
    arguments: str
    opaque: Any = None


class Step:
    """One model call as it is told, what the books need of it, and the calls of tools that it has asked for.

    `new_id` names invocations; `declared` are the tools that the model was shown.
    """

    def __init__(
        self, number: int, *, new_id: Callable[[], str], declared: Container[str] = frozenset()
    ) -> None:
        self.number = number
        self.upstream_id = ""
        self.finish_reason: ev.FinishReason | None = None
        self.usage: d.Usage | None = None
        self.length = 0
        self.filtered = False
        """A rule of moderation has ended it."""
        self.calls: list[AskedCall] = []
        self._new_id = new_id
        self._declared = declared
        self._invocations: dict[int, str] = {}
        self._written: list[str] = []
        self._lasting: list[ev.RunEvent] = []
        """What stays when the provider takes its words back: what it thought, and the tools it asked for."""

    @property
    def written(self) -> str:
        """All that the model wrote, reasoning and arguments included: what an estimate of its tokens goes by."""
        return "".join(self._written)

    def take(self, deltas: Iterable[d.Delta]) -> list[ev.RunEvent]:
        events: list[ev.RunEvent] = []
        for delta in deltas:
            if isinstance(delta, d.TextRevised):
                events += self._revised(delta.text)
            else:
                events += self._events_of(delta)
        return events

    def _revised(self, text: str) -> list[ev.RunEvent]:
        """The provider takes its words back: what was shown is forgotten, the rest is told again."""
        lasting = "".join(getattr(event, "text", "") for event in self._lasting)
        self._written = [lasting, text]
        return [ev.StepReset(step=self.number, reason="revised"), *self._lasting, ev.TextDelta(text)]

    def _events_of(self, delta: d.Delta) -> list[ev.RunEvent]:
        match delta:
            case d.TextDelta(text):
                self._grow(text)
                return [ev.TextDelta(text)]
            case d.ReasoningDelta(text, opaque):
                self._grow(text)
                return self._last([ev.ReasoningDelta(text, opaque)])
            case d.RefusalDelta(text):
                self._grow(text)
                return [ev.RefusalDelta(text)]
            case d.CitationDelta(url, title, start, end):
                return [ev.Citation(url=url, title=title, start=start, end=end)]
            case d.ToolCallStarted() | d.ToolArgumentsDelta() | d.ToolCallReady():
                return self._last(self._call_events(delta))
            case d.Started(upstream_id):
                self.upstream_id = upstream_id
            case d.UsageReported(usage):
                self.usage = usage
            case d.Finished(reason):
                self.finish_reason = _reason(reason)
            case d.Failed() | d.ServerItem() | d.ImageDelta() | d.TextRevised():
                # Failures are raised and revisions taken before they get here.
                pass
            case _:
                assert_never(delta)
        return []

    def _call_events(
        self, delta: d.ToolCallStarted | d.ToolArgumentsDelta | d.ToolCallReady
    ) -> list[ev.RunEvent]:
        match delta:
            case d.ToolCallStarted(slot, _, name):
                if name in WRAPPERS and name not in self._declared:
                    return []  # what is in it is told when it is there
                return [self._started(slot, name)]
            case d.ToolArgumentsDelta(slot, text):
                self._grow(text)
                invocation = self._invocations.get(slot)
                return [] if invocation is None else [ev.ToolArgumentsDelta(invocation, text)]
            case d.ToolCallReady():
                return [event for call in unwrapped(delta, self._declared) for event in self._ready(call)]
            case _:
                assert_never(delta)

    def _ready(self, call: d.ToolCallReady) -> list[ev.RunEvent]:
        events: list[ev.RunEvent] = []
        if call.slot not in self._invocations:
            events.append(self._started(call.slot, call.name))
        # Calls out of one wrapper share its slot, and are told one by one.
        invocation = self._invocations.pop(call.slot)
        self.calls.append(AskedCall(invocation, call.id, call.name, call.arguments, call.opaque))
        return [*events, ev.ToolReady(invocation, read_arguments(call.arguments))]

    def _started(self, slot: int, name: str) -> ev.ToolStarted:
        invocation = self._invocations[slot] = self._new_id()
        return ev.ToolStarted(invocation, name)

    def _last(self, events: list[ev.RunEvent]) -> list[ev.RunEvent]:
        self._lasting += events
        return events

    def _grow(self, text: str) -> None:
        self._written.append(text)
        self.length += len(text)


def read_arguments(written: str) -> Any:
    """As a viewer is shown them: what the JSON says, or the words themselves where they are none."""
    try:
        return msgspec.json.decode(written)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return written


def same_call(name: str, written: str) -> tuple[str, str]:
    """Equal for calls that ask for the same: spaces, and the order of names, make no other call."""
    try:
        return name, msgspec.json.encode(read_arguments(written or "{}"), order="deterministic").decode()
    except (UnicodeError, RecursionError):
        return name, written


def _reason(reason: str) -> ev.FinishReason:
    known: dict[str, ev.FinishReason] = {
        "stop": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "content_filter": "content_filter",
        "pause": "pause",
        "error": "error",
    }
    return known.get(reason, "unknown")
