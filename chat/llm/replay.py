"""What a dialect makes of recorded bytes, as plain facts: for `replay_stream`, tests and bug reports."""

from collections.abc import Iterable
from typing import Any

from chat.exceptions import ProviderCut, ProviderError
from chat.llm.deltas import (
    Delta,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TextRevised,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    UsageReported,
)
from chat.llm.dialects.base import Dialect
from chat.llm.dialects.errors import error_in_body


class Replay:
    """Folds deltas into facts. Calls that were cut are listed with the arguments that arrived."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.calls: dict[int, dict[str, str]] = {}
        self.finish_reason: str | None = None
        self.complete = False
        self.usage: dict[str, Any] | None = None
        self.error: dict[str, Any] | None = None

    def add(self, delta: Delta) -> None:
        match delta:
            case TextDelta(text=text):
                self.text.append(text)
            case TextRevised(text=text):
                self.text = [text]
            case ReasoningDelta(text=text):
                self.reasoning.append(text)
            case RefusalDelta(text=text):
                self.refusal.append(text)
            case ToolCallStarted() | ToolArgumentsDelta() | ToolCallReady():
                self._call(delta)
            case UsageReported(usage=usage):
                self.usage = usage.counters()
            case Finished(reason=reason):
                self.finish_reason, self.complete = reason, True
            case Failed(error=error):
                self._failed(error)
            case _:
                pass

    def facts(self) -> dict[str, Any]:
        return {
            "text": "".join(self.text),
            "reasoning": "".join(self.reasoning),
            "refusal": "".join(self.refusal),
            "tool_calls": [self.calls[slot] for slot in sorted(self.calls)],
            "finish_reason": self.finish_reason,
            "complete": self.complete,
            "usage": self.usage,
            "error": self.error,
        }

    def _call(self, delta: ToolCallStarted | ToolArgumentsDelta | ToolCallReady) -> None:
        if isinstance(delta, ToolCallStarted):
            self.calls[delta.slot] = {"id": delta.id, "name": delta.name, "arguments": ""}
        elif isinstance(delta, ToolArgumentsDelta):
            self.calls[delta.slot]["arguments"] += delta.text
        else:
            self.calls[delta.slot] = {"id": delta.id, "name": delta.name, "arguments": delta.arguments}

    def _failed(self, error: ProviderError) -> None:
        """A cut stream is told by `complete` alone: nobody said anything was wrong."""
        if not isinstance(error, ProviderCut):
            self.finish_reason, self.error = "error", error_facts(error)


def replay_answer(dialect: Dialect, chunks: Iterable[bytes]) -> dict[str, Any]:
    """The facts of an answer with a status below 400 whose body ended cleanly."""
    replay, decoder = Replay(), dialect.decoder()
    for chunk in chunks:
        for delta in decoder.feed(chunk):
            replay.add(delta)
    for delta in decoder.close():
        replay.add(delta)
    return replay.facts()


def replay_error(dialect: Dialect, status: int, body: bytes) -> dict[str, Any]:
    """The facts of an HTTP error, with the provider's own words as message."""
    facts = error_facts(dialect.read_error(status, {}, body))
    wire = error_in_body(body)
    if wire is not None and wire.message:
        facts["message"] = wire.message
    return {"error": facts}


def error_facts(error: ProviderError) -> dict[str, Any]:
    return {
        "kind": error.code,
        "code": error.upstream_code,
        "message": error.detail or str(error),
        "retryable": error.retryable,
    }
