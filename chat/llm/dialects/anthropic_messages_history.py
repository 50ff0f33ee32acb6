"""A conversation as the messages of a Messages request."""

import re
from collections.abc import Iterable
from typing import Any

from chat.llm.dialects.anthropic_messages_blocks import DIALECT
from chat.llm.dialects.turns import Turn, arguments_object, base64_of, opaque_of
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

Block = dict[str, Any]

_PDF = "application/pdf"
_THINKING = ("thinking", "redacted_thinking")


def says_file(part: FilePart) -> bool:
    """Documents are PDFs, by address or as they are; of what was uploaded, the provider knows what it is."""
    is_pdf = part.media_type.partition(";")[0].strip().lower() == _PDF
    return bool(part.file_id) or (is_pdf and bool(part.url or part.data))


def messages_of(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """The roles alternate, the first is the user's, and a turn's results begin the next user message."""
    messages: list[dict[str, Any]] = []
    ids = _CallIds()
    for turn in turns:
        role = "assistant" if turn.role == "assistant" else "user"
        if role == "assistant":
            ids.new_turn()
        blocks = [block for part in turn.parts if (block := _block(part, ids)) is not None]
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        elif blocks:
            messages.append({"role": role, "content": blocks})
    messages = _without_loose_ends(messages)
    if messages and messages[0]["role"] == "assistant":
        messages.insert(0, {"role": "user", "content": [{"type": "text", "text": "…"}]})
    return messages


def called_names(messages: Iterable[dict[str, Any]]) -> list[str]:
    """The tools that were called in this conversation."""
    blocks = (block for message in messages for block in message["content"])
    return list(dict.fromkeys(block["name"] for block in blocks if block["type"] == "tool_use"))


def thinks_on(messages: list[dict[str, Any]]) -> bool:
    """Whether thinking may be on: a step that goes on has to have begun with a thought of its own."""
    last = next((message for message in reversed(messages) if message["role"] == "assistant"), None)
    if last is None:
        return True
    goes_on = last is messages[-1] or any(block["type"] == "tool_result" for block in messages[-1]["content"])
    return not goes_on or last["content"][0]["type"] in _THINKING


# --- blocks ---------------------------------------------------------------------------------------


def _block(part: Part, ids: "_CallIds") -> Block | None:
    if isinstance(part, TextPart | RefusalPart):
        return {"type": "text", "text": part.text} if part.text.strip() else None
    if isinstance(part, ImagePart):
        return {"type": "image", "source": _image_source(part)}
    if isinstance(part, FilePart):
        return _document(part)
    if isinstance(part, ToolCallPart):
        arguments = arguments_object(part.arguments)
        return {"type": "tool_use", "id": ids.of_call(part.id), "name": part.name, "input": arguments}
    if isinstance(part, ToolResultPart):
        result = {"type": "tool_result", "tool_use_id": ids.of_result(part.id), "content": part.result}
        return result | ({"is_error": True} if part.failed else {})
    return _kept(part)


def _kept(part: ReasoningPart | ServerItemPart) -> Block | None:
    """What this provider signed or ran goes back exactly as it came; the thoughts of others do not."""
    opaque = opaque_of(part, DIALECT)
    block = opaque.get("block") if opaque else None
    return block if isinstance(block, dict) and isinstance(block.get("type"), str) else None


def _image_source(part: ImagePart) -> Block:
    if part.file_id:
        return {"type": "file", "file_id": part.file_id}
    if part.url.startswith("data:"):
        head, _, data = part.url[5:].partition(",")
        return {"type": "base64", "media_type": head.partition(";")[0] or "image/png", "data": data}
    if part.url:
        return {"type": "url", "url": part.url}
    return {"type": "base64", "media_type": part.media_type or "image/png", "data": base64_of(part)}


def _document(part: FilePart) -> Block:
    if part.file_id:
        source: Block = {"type": "file", "file_id": part.file_id}
    elif part.url:
        source = {"type": "url", "url": part.url}
    else:
        source = {"type": "base64", "media_type": _PDF, "data": base64_of(part)}
    return {"type": "document", "source": source} | ({"title": part.name[:500]} if part.name else {})


def _without_loose_ends(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An answer may not end in a thought; only one that is to be continued may hold half of a server's call."""
    kept: list[dict[str, Any]] = []
    for message in messages:
        last = message is messages[-1]
        if message["role"] == "assistant":
            message["content"] = _finished(message["content"], goes_on=last)
        if not message["content"]:
            continue
        if kept and kept[-1]["role"] == message["role"]:
            kept[-1]["content"] += message["content"]
        else:
            kept.append(message)
    return kept


def _finished(blocks: list[Block], *, goes_on: bool) -> list[Block]:
    answered = {block["tool_use_id"] for block in blocks if "tool_use_id" in block}
    asked = {block["id"] for block in blocks if _is_server_call(block)}
    blocks = [
        block
        for block in blocks
        if (goes_on or not _is_server_call(block) or block["id"] in answered)
        and ("tool_use_id" not in block or block["tool_use_id"] in asked)
    ]
    while blocks and blocks[-1]["type"] in _THINKING:
        blocks.pop()
    if goes_on and blocks and blocks[-1]["type"] == "text":
        blocks[-1] = blocks[-1] | {"text": blocks[-1]["text"].rstrip()}
    return blocks


def _is_server_call(block: Block) -> bool:
    return block["type"] in ("server_tool_use", "mcp_tool_use") and isinstance(block.get("id"), str)


class _CallIds:
    """Ids of other providers may hold characters that are refused here, or come again with every answer."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._of_turn: dict[str, str] = {}

    def new_turn(self) -> None:
        self._of_turn = {}

    def of_call(self, identity: str) -> str:
        fitting = re.sub(r"[^a-zA-Z0-9_-]", "_", identity)
        unique, number = fitting, 1
        while unique in self._taken:
            number += 1
            unique = f"{fitting}_{number}"
        self._taken.add(unique)
        self._of_turn[identity] = unique
        return unique

    def of_result(self, identity: str) -> str:
        return self._of_turn.get(identity, identity)
