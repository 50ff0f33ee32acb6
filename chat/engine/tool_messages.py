"""Steps with tools as a model is shown them again: what it said and asked for, then what came of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from chat.engine.invocations import Seen
from chat.events.fold import StepState
from chat.llm.messages import (
    ChatMessage,
    ImagePart,
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
    """The model's turns and, where it has called tools, the results between them. A call without a row is left out."""
    messages: list[ChatMessage] = []
    said: list[Part] = []
    results: list[Part] = []
    answered = False

    def turn() -> None:
        if said:
            messages.append(ChatMessage("assistant", tuple(said)))
        if results:
            messages.append(ChatMessage("user", tuple(results)))
        said.clear()
        results.clear()

    for part in parts:
        if part["type"] == "tool_result":
            answered = True
            continue
        if answered:
            turn()
            answered = False
        if part["type"] == "tool_call":
            if (call := invocations.get(part["invocation"])) is not None:
                said.append(ToolCallPart(call.call_id, call.name, call.arguments or "{}", call.opaque))
                failed = call.status != "succeeded"
                results.append(ToolResultPart(call.call_id, _result(call), failed))
        elif (made := sent_part(part, with_reasoning=with_reasoning)) is not None:
            said.append(made)
    turn()
    return messages


EDITED = "(Before this was run, a person changed its arguments to {arguments}.)\n{result}"


def _result(call: Seen) -> str:
    """What was asked for stays as the model wrote it; that something else was done it has to be told."""
    result = call.result or call.status
    return EDITED.format(arguments=call.edited, result=result) if call.edited else result


def sent_part(part: dict[str, Any], *, with_reasoning: bool) -> Part | None:
    """A stored part that is no tool's; None: nothing of it is sent."""
    match part:
        case {"type": "text", "text": str(text)} if text:
            return TextPart(text)
        case {"type": "refusal", "text": str(text)} if text:
            return RefusalPart(text)
        case {"type": "reasoning", "text": str(text)} if with_reasoning:
            return ReasoningPart(text, part.get("opaque"))
        case {"type": "image", "url": str(url)} if url:
            return ImagePart(url=url)
    return None
