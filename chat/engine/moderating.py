"""Between what a model says and the event log: its words held against the rules, before anything is numbered.

What is replayed, stored, exported and sent to others is what has come through here. The tape of the wire log alone has
the provider's own bytes.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from chat.engine.loop import Step, read_arguments
from chat.engine.rules_in_force import hit_row
from chat.events import run_events as ev
from chat.models import ModerationHit
from chat.moderation.rules import Rule, RuleSet
from chat.moderation.stream_filter import Hit, StreamFilter
from chat.moderation.whole import Ruled, ruled_text, ruled_written_json

MOST_ROWS: Final = 500
"""Of one run; what is found beyond that is dealt with and not written down."""

Growing = ev.TextDelta | ev.ReasoningDelta | ev.RefusalDelta
_PARTS: Final[dict[type, str]] = {
    ev.TextDelta: "text",
    ev.ReasoningDelta: "reasoning",
    ev.RefusalDelta: "refusal",
}


class AnswerRules:
    """One run's. What is held back belongs to the attempt, and is gone with it."""

    def __init__(self, rules: RuleSet, *, run: UUID, message: UUID, user: UUID) -> None:
        self.ended_by: Rule | None = None
        """The rule that has ended the answer."""
        self._rules = rules
        self._columns = {"run_id": run, "message_id": message, "user_id": user}
        self._rows: list[ModerationHit] = []
        self._written = 0
        self._told: set[tuple[int, str, str]] = set()
        self._found: set[tuple[str, UUID, int, int]] = set()
        self._forget()

    def begin(self) -> None:
        """Another attempt."""
        self._found.clear()
        self._forget()

    def take_rows(self) -> list[ModerationHit]:
        """What was found since the last time, to be written with what it was found in."""
        rows, self._rows = self._rows, []
        return rows

    def through(self, events: Iterable[ev.RunEvent], step: Step) -> list[ev.RunEvent]:
        """What of them may be told. Nothing more once a rule has ended the answer."""
        out: list[ev.RunEvent] = []
        for event in events:
            if self.ended_by is not None:
                return out
            out += self._ruled(event, step)
        if step.finish_reason is not None:
            # Whole: what is held back now is the beginning of nothing.
            out += self._close(step)
        return out

    def _forget(self) -> None:
        self._kind: type[Growing] | None = None
        self._stream: StreamFilter | None = None
        self._noted = 0
        self._thought_altered = False

    def _ruled(self, event: ev.RunEvent, step: Step) -> list[ev.RunEvent]:
        match event:
            case ev.TextDelta() | ev.RefusalDelta():
                return self._grow(type(event), event.text, step)
            case ev.ReasoningDelta(text, opaque):
                out = self._grow(ev.ReasoningDelta, text, step) if text else []
                return out if opaque is None else [*out, *self._sign(opaque, step)]
            case ev.StepReset():
                self._forget()
                return [event]
            case ev.Citation():
                return self._citation(event, step)
            case ev.ToolStarted():
                return [*self._close(step), *self._tool_started(event, step)]
            case ev.ToolArgumentsDelta():
                # They are told when they are whole: escapes of JSON may hide anything in pieces of them.
                return []
            case ev.ToolReady():
                return self._tool_ready(event, step)
            case _:
                return [event]

    def _grow(self, kind: type[Growing], text: str, step: Step) -> list[ev.RunEvent]:
        out: list[ev.RunEvent] = []
        if self._kind is not kind or self._stream is None:
            out += self._close(step)
            if self.ended_by is not None:
                return out
            self._kind, self._stream, self._noted = kind, StreamFilter(self._rules), 0
        return [*out, *self._said(self._stream, kind, self._stream.add(text), step)]

    def _close(self, step: Step) -> list[ev.RunEvent]:
        stream, kind = self._stream, self._kind
        if stream is None or kind is None:
            return []
        out = self._said(stream, kind, stream.finish(), step)
        self._stream = self._kind = None
        return out

    def _said(self, stream: StreamFilter, kind: type[Growing], shown: str, step: Step) -> list[ev.RunEvent]:
        out: list[ev.RunEvent] = []
        if len(stream.hits) > self._noted:
            out += self._note(stream.hits[self._noted :], _PARTS[kind], step)
            self._noted = len(stream.hits)
        if kind is ev.ReasoningDelta and stream.altered:
            self._thought_altered = True
        if shown:
            out.append(kind(shown))
        self.ended_by = stream.ended_by
        return out

    def _sign(self, opaque: object, step: Step) -> list[ev.RunEvent]:
        """A signature fits the words as they were; what else is in it may be those words."""
        out = self._close(step) if self._kind is ev.ReasoningDelta else []
        altered, self._thought_altered = self._thought_altered, False
        if altered or self.ended_by is not None:
            return out
        return [*out, ev.ReasoningDelta("", opaque)]

    def _citation(self, event: ev.Citation, step: Step) -> list[ev.RunEvent]:
        title, url = ruled_text(event.title, self._rules), ruled_text(event.url, self._rules)
        out = self._note((*title.hits, *url.hits), "citation", step)
        if self._ends(title) or self._ends(url) or url.altered:
            return out
        return [*out, replace(event, title=title.value)]

    def _tool_started(self, event: ev.ToolStarted, step: Step) -> list[ev.RunEvent]:
        """A model may call a tool by any name, also one that there is not."""
        if self.ended_by is not None:
            return []
        name = ruled_text(event.name, self._rules)
        out = self._note(name.hits, "name", step)
        return out if self._ends(name) else [*out, replace(event, name=name.value)]

    def _tool_ready(self, event: ev.ToolReady, step: Step) -> list[ev.RunEvent]:
        """The tool gets what the viewers are shown."""
        place, call = next(one for one in enumerate(step.calls) if one[1].invocation == event.invocation)
        name = ruled_text(call.name, self._rules)
        arguments = ruled_written_json(call.arguments, self._rules)
        out = self._note(arguments.hits, "arguments", step)
        if self._ends(arguments) or self._ends(name):
            return out
        if arguments.altered or name.altered:
            step.calls[place] = replace(call, name=name.value, arguments=arguments.value)
            event = ev.ToolReady(event.invocation, read_arguments(arguments.value))
        return [*out, event]

    def _ends(self, found: Ruled) -> bool:
        self.ended_by = self.ended_by or found.ended_by
        return self.ended_by is not None

    def _note(self, hits: Iterable[Hit], part: str, step: Step) -> list[ev.RunEvent]:
        out: list[ev.RunEvent] = []
        for hit in hits:
            place = (part, hit.rule.key, hit.start, hit.length)
            if place not in self._found and self._written < MOST_ROWS:
                self._found.add(place)
                self._written += 1
                self._rows.append(hit_row(hit, where="output", part=part, step=step.number, **self._columns))
            said = (step.number, hit.rule.name, hit.rule.action)
            if said not in self._told:
                self._told.add(said)
                out.append(ev.ModerationFlagged(rule=hit.rule.name, action=hit.rule.action))
        return out
