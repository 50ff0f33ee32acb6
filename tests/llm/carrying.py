"""An answer as it is stored, and the request that goes on with it."""

import json
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from chat.llm.deltas import (
    Delta,
    ReasoningDelta,
    RefusalDelta,
    ServerItem,
    TextDelta,
    TextRevised,
    ToolCallReady,
)
from chat.llm.messages import (
    ChatMessage,
    ModelRequest,
    Part,
    ReasoningPart,
    RefusalPart,
    ServerItemPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSchema,
)
from tests.llm.wire import dialect, read

ADD = ToolSchema("add", "Adds.", {"type": "object", "properties": {"a": {"type": "number"}}})


def parts_of(deltas: Iterable[Delta]) -> list[Part]:
    """Text grows; a thought is closed by what is opaque in it (as `chat.events.fold` keeps them)."""
    parts: list[Part] = []
    for delta in deltas:
        last = parts[-1] if parts else None
        if isinstance(delta, TextDelta):
            if isinstance(last, TextPart):
                parts[-1] = TextPart(last.text + delta.text)
            else:
                parts.append(TextPart(delta.text))
        elif isinstance(delta, TextRevised):
            parts = [part for part in parts if not isinstance(part, TextPart)] + [TextPart(delta.text)]
        elif isinstance(delta, RefusalDelta):
            parts.append(RefusalPart(delta.text))
        elif isinstance(delta, ReasoningDelta):
            _think(parts, delta)
        elif isinstance(delta, ServerItem):
            parts.append(ServerItemPart(delta.kind, delta.raw))
        elif isinstance(delta, ToolCallReady):
            parts.append(ToolCallPart(delta.id, delta.name, delta.arguments, delta.opaque))
    return parts


def _think(parts: list[Part], delta: ReasoningDelta) -> None:
    if delta.text:
        last = parts[-1] if parts else None
        if isinstance(last, ReasoningPart) and last.opaque is None:
            parts[-1] = replace(last, text=last.text + delta.text)
        else:
            parts.append(ReasoningPart(delta.text))
    if delta.opaque is None:
        return
    for place in range(len(parts) - 1, -1, -1):
        part = parts[place]
        if isinstance(part, ReasoningPart) and part.opaque is None:
            parts[place] = replace(part, opaque=delta.opaque)
            return
    parts.append(ReasoningPart("", delta.opaque))


def stored(part: Part) -> Part:
    """Through the database and back: what is opaque is JSON."""
    opaque = getattr(part, "opaque", None)
    return part if opaque is None else replace(part, opaque=json.loads(json.dumps(opaque)))


def next_body(name: str, *chunks: bytes, results: bool = True, then: str = "", **more: Any) -> dict[str, Any]:
    """The request after an answer of these bytes: each call is answered, then the user says `then`, if anything."""
    parts = [stored(part) for part in parts_of(read(dialect(name).decoder(), chunks))]
    answers = [ToolResultPart(part.id, "3") for part in parts if isinstance(part, ToolCallPart) and results]
    messages = [
        ChatMessage("user", (TextPart("1 + 2?"),)),
        ChatMessage("assistant", (*parts, *answers)),
    ]
    if then:
        messages.append(ChatMessage("user", (TextPart(then),)))
    request = ModelRequest("m", tuple(messages), tools=(ADD,), **more)
    body: dict[str, Any] = json.loads(dialect(name).build(request, api_key="k").body)
    return body
