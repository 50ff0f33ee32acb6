"""A conversation as the messages of a Messages request."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from chat.llm.dialects.anthropic_messages_blocks import CARRIED, DIALECT
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


def messages_of(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """The roles alternate, the first is the user's, and a turn's results begin the next user message."""
    messages: list[dict[str, Any]] = []
    ids = _CallIds()
    loose = _LooseEnds(turns)
    for place, turn in enumerate(turns):
        blocks: list[Block] = []
        if turn.role == "assistant":
            ids.new_turn()
        for part in turn.parts:
            block = _block(part, ids)
            if block is not None and not loose.holds(block, place):
                blocks.append(block)
        role = "assistant" if turn.role == "assistant" else "user"
        if role == "assistant":
            blocks = _ended(blocks, last=place == len(turns) - 1)
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        elif blocks:
            messages.append({"role": role, "content": blocks})
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
        call = {"type": "tool_use", "id": ids.of_call(part.id), "name": part.name, "input": arguments}
        opaque = opaque_of(part, DIALECT) or {}
        return call | {name: opaque[name] for name in CARRIED if name in opaque}
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


def _ended(blocks: list[Block], *, last: bool) -> list[Block]:
    """An answer may not end in a thought, and the one that is to be continued not in blanks."""
    while blocks and blocks[-1]["type"] in _THINKING:
        blocks.pop()
    if last and blocks and blocks[-1]["type"] == "text":
        blocks[-1] = blocks[-1] | {"text": blocks[-1]["text"].rstrip()}
    return blocks


class _LooseEnds:
    """Calls that the provider makes itself and what came of them: one without the other is refused.

    A call that waits for its result stands as long as the user has not gone on to something else.
    """

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._asked: set[str] = set()
        self._answered: set[str] = set()
        self._last_spoken = max((place for place, turn in enumerate(turns) if turn.role == "user"), default=0)
        for turn in turns:
            for part in turn.parts:
                block = _kept(part) if isinstance(part, ServerItemPart) else None
                if block is not None:
                    self._asked.add(_server_call(block))
                    self._answered.add(str(block.get("tool_use_id")))

    def holds(self, block: Block, place: int) -> bool:
        if block["type"] != "tool_result" and "tool_use_id" in block:
            return block["tool_use_id"] not in self._asked
        call = _server_call(block)
        return bool(call) and call not in self._answered and place < self._last_spoken


def _server_call(block: Block) -> str:
    return str(block.get("id")) if block["type"] in ("server_tool_use", "mcp_tool_use") else ""


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
