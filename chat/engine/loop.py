"""The pure middle of a run: deltas of model calls in, run events out. No I/O, no Django."""

from collections.abc import Iterable
from typing import assert_never

from chat.events import run_events as ev
from chat.llm import deltas as d


class Step:
    """One model call as it is told, and what the books need of it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.upstream_id = ""
        self.finish_reason: ev.FinishReason | None = None
        self.usage: d.Usage | None = None
        self.length = 0
        self._written: list[str] = []
        self._thought: list[ev.ReasoningDelta] = []

    @property
    def written(self) -> str:
        """All that the model wrote, reasoning included: what an estimate of its tokens goes by."""
        return "".join(self._written)

    def take(self, deltas: Iterable[d.Delta]) -> list[ev.RunEvent]:
        events: list[ev.RunEvent] = []
        for delta in deltas:
            if isinstance(delta, d.TextRevised):
                events += self._revised(delta.text)
            elif (event := self._event_of(delta)) is not None:
                events.append(event)
        return events

    def _revised(self, text: str) -> list[ev.RunEvent]:
        """The provider takes its words back: what was shown is forgotten, what it thought stays."""
        self._written = [*(event.text for event in self._thought), text]
        return [ev.StepReset(step=self.number, reason="revised"), *self._thought, ev.TextDelta(text)]

    def _event_of(self, delta: d.Delta) -> ev.RunEvent | None:
        match delta:
            case d.TextDelta(text):
                self._grow(text)
                return ev.TextDelta(text)
            case d.ReasoningDelta(text, opaque):
                self._grow(text)
                thought = ev.ReasoningDelta(text, opaque)
                self._thought.append(thought)
                return thought
            case d.RefusalDelta(text):
                self._grow(text)
                return ev.RefusalDelta(text)
            case d.CitationDelta(url, title, start, end):
                return ev.Citation(url=url, title=title, start=start, end=end)
            case d.Started(upstream_id):
                self.upstream_id = upstream_id
            case d.UsageReported(usage):
                self.usage = usage
            case d.Finished(reason):
                self.finish_reason = _reason(reason)
            case (
                d.Failed()
                | d.ServerItem()
                | d.ImageDelta()
                | d.TextRevised()
                | d.ToolCallStarted()
                | d.ToolArgumentsDelta()
                | d.ToolCallReady()
            ):
                # Failures are raised and revisions taken before they get here; tools are not offered yet.
                pass
            case _:
                assert_never(delta)
        return None

    def _grow(self, text: str) -> None:
        self._written.append(text)
        self.length += len(text)


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
