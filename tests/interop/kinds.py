"""Requests of every kind that there is, and what a foreign server is to answer."""

import struct
import zlib

from msgspec import Struct
from msgspec.structs import replace

from chat.llm.messages import (
    ChatMessage,
    FilePart,
    ImagePart,
    ModelRequest,
    Options,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from tests.interop.asking import GET_TIME, GET_WEATHER

HELLO = "Hi there! Grüße 😀 — done."
WEATHER = "It is 21 °C in Berlin."
_TOOLS = (GET_WEATHER, GET_TIME)


class Kind(Struct, frozen=True):
    request: ModelRequest
    text: str = HELLO
    calls: tuple[str, ...] = ()


def _png() -> bytes:
    """One red pixel, whole: some servers open what they pass on."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")


def _user(*parts: Part | str) -> ChatMessage:
    return ChatMessage("user", tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


def _request(*messages: ChatMessage, **more: object) -> ModelRequest:
    return replace(ModelRequest(model="gpt-4o", messages=messages), **more)


_PARALLEL = (
    TextPart("Both."),
    ToolCallPart("call_1", "get_weather", '{"city":"Berlin"}'),
    ToolCallPart("call_2", "get_time", '{"tz":"UTC"}'),
    ToolResultPart("call_1", "21 °C"),
    ToolResultPart("call_2", "no clock here", failed=True),
)
_THOUGHTS = (
    ReasoningPart(
        "hm",
        {
            "dialect": "anthropic_messages",
            "block": {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        },
    ),
    ReasoningPart(
        "hm",
        {
            "dialect": "openai_responses",
            "item": {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        },
    ),
    ReasoningPart("hm", {"dialect": "openai_chat", "field": "reasoning_content", "details": []}),
)

KINDS: dict[str, Kind] = {
    "a system text": Kind(_request(_user("hello"), system="Be kind.")),
    "a long system text": Kind(_request(_user("hello"), system="Be kind. " * 1000)),
    "options": Kind(_request(_user("hello"), options=Options(temperature=0.5, max_output_tokens=500))),
    "an answer before": Kind(
        _request(_user("scripts"), ChatMessage("assistant", (TextPart("…"),)), _user("hello"))
    ),
    "parallel results": Kind(
        _request(_user("weather"), ChatMessage("assistant", _PARALLEL), tools=_TOOLS), WEATHER
    ),
    "thoughts and results": Kind(
        _request(_user("weather"), ChatMessage("assistant", (*_THOUGHTS, *_PARALLEL)), tools=_TOOLS), WEATHER
    ),
    "results in the middle": Kind(
        _request(_user("weather"), ChatMessage("assistant", _PARALLEL), _user("hello"), tools=_TOOLS)
    ),
    "a picture": Kind(_request(_user("hello", ImagePart(data=_png(), media_type="image/png")))),
    "a file of text": Kind(_request(_user("hello", FilePart("a.md", "text/markdown", data=b"# A")))),
    "calls": Kind(_request(_user("two tools"), tools=_TOOLS), "Calling both.", ("get_weather", "get_time")),
    **{
        f"the choice {choice}": Kind(
            _request(_user("hello"), tools=_TOOLS, options=Options(tool_choice=choice))
        )
        for choice in ("auto", "none", "required", "get_time")
    },
}
"""The servers answer by what the user said last, and choose nothing themselves."""
