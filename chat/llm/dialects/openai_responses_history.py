"""A conversation as the input items of a Responses request."""

from collections.abc import Iterable
from typing import Any, Final

from chat.llm.dialects.openai_responses_tools import CARRIED, DIALECT
from chat.llm.dialects.turns import Turn, arguments_text, data_url, image_url, opaque_of
from chat.llm.messages import (
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    ServerItemPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_NOT_FOR_RETURN: Final = (
    "apply_patch_call",
    "computer_call",
    "image_generation_call",
    "local_shell_call",
    "mcp_approval_request",
    "shell_call",
)
"""They wait for an answer that we do not give, or for a picture that is kept elsewhere."""


def input_of(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    calls: dict[str, ToolCallPart] = {}
    for turn in turns:
        if turn.role == "user":
            items += _user(turn)
        elif turn.role == "assistant":
            items += _assistant(turn)
            calls = {part.id: part for part in turn.parts if isinstance(part, ToolCallPart)}
        else:
            items += [
                _result(part, calls[part.id]) for part in turn.parts if isinstance(part, ToolResultPart)
            ]
    return items


def _user(turn: Turn) -> list[dict[str, Any]]:
    content = [said for part in turn.parts if (said := _said(part)) is not None]
    if all(part["type"] == "input_text" for part in content):
        text = "\n\n".join(part["text"] for part in content)
        return [{"role": "user", "content": text}] if text else []
    return [{"role": "user", "content": content}]


def _said(part: Part) -> dict[str, Any] | None:
    if isinstance(part, TextPart | RefusalPart):
        return {"type": "input_text", "text": part.text} if part.text else None
    if isinstance(part, ImagePart):
        where = {"file_id": part.file_id} if part.file_id else {"image_url": image_url(part)}
        return {"type": "input_image", "detail": "auto", **where}
    if isinstance(part, FilePart):
        if part.file_id:
            return {"type": "input_file", "file_id": part.file_id}
        if part.url:
            return {"type": "input_file", "file_url": part.url}
        data = data_url(part, "application/octet-stream")
        return {"type": "input_file", "filename": part.name or "file", "file_data": data}
    return None


def _assistant(turn: Turn) -> list[dict[str, Any]]:
    """Reasoning goes back unchanged and only in front of what it led to, or the request is refused."""
    items: list[dict[str, Any]] = []
    reasoning: list[dict[str, Any]] = []
    for part in turn.parts:
        item: dict[str, Any] | None = None
        if isinstance(part, ReasoningPart):
            reasoning += _kept(part)
        elif isinstance(part, ServerItemPart):
            if part.kind == "message":
                _name_phase(items, part)
            elif part.kind in _NOT_FOR_RETURN:
                reasoning = []
            else:
                item = next(iter(_kept(part)), None)
        elif isinstance(part, TextPart | RefusalPart) and part.text:
            if items and not reasoning and _is_open_text(items[-1]):
                items[-1]["content"] += part.text
            else:
                item = {"role": "assistant", "content": part.text}
        elif isinstance(part, ToolCallPart):
            item = _call(part)
        if item is not None:
            items += [*reasoning, item]
            reasoning = []
    return items


def _kept(part: ReasoningPart | ServerItemPart) -> list[dict[str, Any]]:
    """The item as it came, less what only answers have."""
    opaque = opaque_of(part, DIALECT)
    item = opaque.get("item") if opaque else None
    if not isinstance(item, dict):
        return []
    if isinstance(part, ServerItemPart):
        return [item]
    return [
        {"summary": []}
        | {name: value for name, value in item.items() if name != "status" and value is not None}
    ]


def _is_open_text(item: dict[str, Any]) -> bool:
    return item.get("role") == "assistant" and "phase" not in item


def _name_phase(items: list[dict[str, Any]], part: ServerItemPart) -> None:
    """What a message was, `commentary` or `final_answer`: newer models write worse when it gets lost."""
    opaque = opaque_of(part, DIALECT)
    item = opaque.get("item") if opaque else None
    phase = item.get("phase") if isinstance(item, dict) else None
    if phase and items and _is_open_text(items[-1]):
        items[-1]["phase"] = phase


def _is_custom(part: ToolCallPart) -> bool:
    opaque = opaque_of(part, DIALECT)
    return opaque is not None and opaque.get("type") == "custom_tool_call"


def _call(part: ToolCallPart) -> dict[str, Any]:
    opaque = opaque_of(part, DIALECT) or {}
    call: dict[str, Any] = {"call_id": part.id, "name": part.name}
    call |= {name: opaque[name] for name in CARRIED if name in opaque}
    if _is_custom(part):
        return {"type": "custom_tool_call", "input": part.arguments, **call}
    return {"type": "function_call", "arguments": arguments_text(part.arguments), **call}


def _result(part: ToolResultPart, call: ToolCallPart) -> dict[str, Any]:
    kind = "custom_tool_call_output" if _is_custom(call) else "function_call_output"
    result = {"type": kind, "call_id": part.id, "output": part.result}
    opaque = opaque_of(call, DIALECT) or {}
    return result | ({"caller": opaque["caller"]} if opaque.get("caller") else {})
