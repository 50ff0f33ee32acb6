"""Writes streams by hand and reads what a dialect makes of them."""

import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

from chat.llm.deltas import (
    Delta,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    UsageReported,
)
from chat.llm.dialects.anthropic_messages import AnthropicMessages
from chat.llm.dialects.base import Decoder, Dialect
from chat.llm.dialects.openai_chat import OpenAIChat
from chat.llm.dialects.openai_responses import OpenAIResponses
from chat.llm.replay import Replay

DONE = b"data: [DONE]\n\n"


def counting_ids() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"made-up-{next(numbers)}"


def dialect(name: str) -> Dialect:
    """A dialect whose made-up ids are the same in every run."""
    makers: dict[str, Callable[..., Dialect]] = {
        "anthropic_messages": AnthropicMessages,
        "openai_chat": OpenAIChat,
        "openai_responses": OpenAIResponses,
    }
    return makers[name](new_id=counting_ids())


def event(value: Any, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode()


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    """One chat completion chunk with one choice."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return event({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more})


STOP = chunk({}, "stop")


def read(decoder: Decoder, chunks: Iterable[bytes]) -> list[Delta]:
    """All deltas of a body that ended cleanly."""
    deltas: list[Delta] = []
    for data in chunks:
        deltas += decoder.feed(data)
    return deltas + decoder.close()


def facts(deltas: Iterable[Delta]) -> dict[str, Any]:
    replay = Replay()
    for delta in deltas:
        replay.add(delta)
    return replay.facts()


def said(text: str) -> bytes:
    return chunk({"content": text})


def deltas_of(*chunks: bytes) -> list[Any]:
    """The deltas of a chat stream."""
    return read(dialect("openai_chat").decoder(), chunks)


def error_of(*chunks: bytes) -> Any:
    """The error that a chat stream ends in."""
    last = deltas_of(*chunks)[-1]
    assert isinstance(last, Failed)
    return last.error


def chat(*chunks: bytes) -> dict[str, Any]:
    """The facts of a chat stream."""
    return facts(read(dialect("openai_chat").decoder(), chunks))


def joined(deltas: Iterable[Delta]) -> list[Delta]:
    """Neighbouring fragments of one text put together, so that only what was said counts."""
    found: list[Delta] = []
    for delta in deltas:
        last = found[-1] if found else None
        if isinstance(delta, TextDelta) and isinstance(last, TextDelta):
            found[-1] = TextDelta(last.text + delta.text)
        elif isinstance(delta, RefusalDelta) and isinstance(last, RefusalDelta):
            found[-1] = RefusalDelta(last.text + delta.text)
        elif isinstance(delta, ReasoningDelta) and isinstance(last, ReasoningDelta) and last.opaque is None:
            found[-1] = ReasoningDelta(last.text + delta.text, delta.opaque)
        elif (
            isinstance(delta, ToolArgumentsDelta)
            and isinstance(last, ToolArgumentsDelta)
            and last.slot == delta.slot
        ):
            found[-1] = ToolArgumentsDelta(last.slot, last.text + delta.text)
        else:
            found.append(delta)
    return found


def comparable(deltas: Iterable[Delta]) -> list[Any]:
    """Joined deltas with errors as texts, since exceptions are equal only to themselves."""
    return [
        (type(d.error), str(d.error), d.error.detail) if isinstance(d, Failed) else d for d in joined(deltas)
    ]


def check_order(deltas: list[Delta]) -> None:
    """What deltas.py promises of every answer."""
    assert deltas
    assert isinstance(deltas[-1], Finished | Failed)
    assert not any(isinstance(delta, Finished | Failed) for delta in deltas[:-1])
    starts = [i for i, delta in enumerate(deltas) if isinstance(delta, Started)]
    assert starts in ([], [0])
    usages = [i for i, delta in enumerate(deltas) if isinstance(delta, UsageReported)]
    assert usages in ([], [len(deltas) - 2])
    _check_tools(deltas)


def _check_tools(deltas: list[Delta]) -> None:
    arguments: dict[int, str] = {}
    ready: set[int] = set()
    for delta in deltas:
        if isinstance(delta, ToolCallStarted):
            assert delta.slot not in arguments
            arguments[delta.slot] = ""
        elif isinstance(delta, ToolArgumentsDelta):
            assert delta.slot not in ready
            arguments[delta.slot] += delta.text
        elif isinstance(delta, ToolCallReady):
            assert delta.slot not in ready
            ready.add(delta.slot)
            assert delta.arguments == (arguments[delta.slot] or "{}")
    assert not ready or isinstance(deltas[-1], Finished)
