"""Steps with tools as a model is shown them again: what it said and asked for, then what came of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from chat.engine.invocations import Seen
from chat.events.fold import StepState
from chat.llm.messages import (
    ChatMessage,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)


def said_in(steps: Sequence[StepState], invocations: Mapping[str, Seen]) -> tuple[ChatMessage, ...]:
    """Of finished steps of one run, in their order."""
    return tuple(message for step in steps for message in messages_of(step.parts, invocations))


def messages_of(
    parts: Sequence[dict[str, Any]], invocations: Mapping[str, Seen], *, with_reasoning: bool = True
) -> list[ChatMessage]:
    """The model's turn and, where it has called tools, the results. A call without a row is left out."""
    said: list[Part] = []
    results: list[Part] = []
    for part in parts:
        match part:
            case {"type": "text", "text": str(text)} if text:
                said.append(TextPart(text))
            case {"type": "refusal", "text": str(text)} if text:
                said.append(RefusalPart(text))
            case {"type": "reasoning", "text": str(text)} if with_reasoning:
                said.append(ReasoningPart(text, part.get("opaque")))
            case {"type": "tool_call", "invocation": str(key)} if key in invocations:
                call = invocations[key]
                said.append(ToolCallPart(call.call_id, call.name, call.arguments or "{}", call.opaque))
                results.append(
                    ToolResultPart(call.call_id, call.result or call.status, call.status != "succeeded")
                )
    messages = [ChatMessage("assistant", tuple(said))] if said else []
    if results:
        messages.append(ChatMessage("user", tuple(results)))
    return messages
