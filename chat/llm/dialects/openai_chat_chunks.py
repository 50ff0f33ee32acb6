"""The shape of a chat completion chunk, as far as it is read.

Typed decoding is the fast path; `loosely` reads what imitators send in other types, into the same structs.
"""

import json
from typing import Any

from msgspec import Raw, Struct
from msgspec.json import Decoder


class FunctionFragment(Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class ToolCallFragment(Struct):
    index: int | None = None
    id: str | None = None
    function: FunctionFragment | None = None
    extra_content: Any = None


class ChunkDelta(Struct):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallFragment] | None = None
    function_call: FunctionFragment | None = None
    annotations: list[Any] | None = None
    images: list[Any] | None = None


class Choice(Struct):
    index: int | None = None
    delta: ChunkDelta | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    message: Raw = Raw()
    """Some servers repeat the whole message beside each delta: left unread."""


class Chunk(Struct):
    choices: list[Choice] | None = None
    id: str | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    x_groq: dict[str, Any] | None = None
    search_results: list[Any] | None = None
    citations: list[Any] | None = None


CHUNKS = Decoder(Chunk)


def loosely(value: dict[str, Any], *, whole: bool = False) -> Chunk:
    """Reads a decoded object by hand. `whole`: a `message` stands where streams have a `delta`."""
    choices = value.get("choices")
    return Chunk(
        choices=[_choice(item, whole) for item in _list(choices) if isinstance(item, dict)],
        id=_text(value.get("id")),
        model=_text(value.get("model")),
        usage=_dict(value.get("usage")),
        error=value.get("error"),
        x_groq=_dict(value.get("x_groq")),
        search_results=_list(value.get("search_results")),
        citations=_list(value.get("citations")),
    )


def _choice(value: dict[str, Any], whole: bool) -> Choice:
    delta = _dict(value.get("delta"))
    message = _dict(value.get("message")) if whole and delta is None else None
    return Choice(
        index=_int(value.get("index")),
        delta=_message(message) if message is not None else _delta(delta) if delta is not None else None,
        finish_reason=_text(value.get("finish_reason")),
        usage=_dict(value.get("usage")),
        error=value.get("error"),
    )


def message_of(choice: Choice) -> ChunkDelta | None:
    """The whole message of a choice that has no delta."""
    value = json.loads(bytes(choice.message).decode("utf-8", "replace"))
    return _message(value) if isinstance(value, dict) else None


def _message(value: dict[str, Any]) -> ChunkDelta:
    delta = _delta(value)
    for position, call in enumerate(delta.tool_calls or ()):
        call.index = position
    return delta


def _delta(value: dict[str, Any]) -> ChunkDelta:
    content = value.get("content")
    calls = [_call(item) for item in _list(value.get("tool_calls")) if isinstance(item, dict)]
    return ChunkDelta(
        content=[content]
        if isinstance(content, dict)
        else content
        if isinstance(content, str | list)
        else None,
        reasoning_content=_text(value.get("reasoning_content")),
        reasoning=_text(value.get("reasoning")),
        reasoning_details=_list(value.get("reasoning_details")),
        refusal=_text(value.get("refusal")),
        tool_calls=calls or None,
        function_call=_function(value.get("function_call")),
        annotations=_list(value.get("annotations")),
        images=_list(value.get("images")),
    )


def _call(value: dict[str, Any]) -> ToolCallFragment:
    identity = value.get("id")
    return ToolCallFragment(
        index=_int(value.get("index")),
        id=str(identity) if isinstance(identity, int) else _text(identity),
        function=_function(value.get("function")),
        extra_content=value.get("extra_content"),
    )


def _function(value: Any) -> FunctionFragment | None:
    if not isinstance(value, dict):
        return None
    arguments = value.get("arguments")
    return FunctionFragment(
        _text(value.get("name")), arguments if isinstance(arguments, str | dict) else None
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _dict(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _int(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
