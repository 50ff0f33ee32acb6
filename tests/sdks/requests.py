"""Requests in our own terms, and what an answer to one is, whoever read it."""

import json
import struct
from dataclasses import dataclass, field

from chat.llm.deltas import RefusalDelta
from chat.llm.dialects.registry import DIALECTS
from chat.llm.messages import (
    ChatMessage,
    ImagePart,
    ModelRequest,
    Options,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from tests.demo.reading import ask, asking
from tests.interop.asking import GET_TIME, GET_WEATHER

PNG_640_480 = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480)
CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}
_TOOLS = (GET_WEATHER, GET_TIME)
_RESULTS = (
    ChatMessage("user", (TextPart("weather in Rome and Oslo"),)),
    ChatMessage(
        "assistant",
        (
            TextPart("Let me see."),
            ToolCallPart("call_1", "get_weather", '{"city": "Rome"}'),
            ToolCallPart("call_2", "get_weather", '{"city": "Oslo"}'),
        ),
    ),
    ChatMessage("user", (ToolResultPart("call_1", "21 °C"), ToolResultPart("call_2", "no", failed=True))),
)
_IMAGES = (TextPart("What is this?"), ImagePart(data=PNG_640_480, media_type="image/png"))

REQUESTS: dict[str, ModelRequest] = {
    "text": asking("hello", "demo", system="Be kind."),
    "characters that break": asking("unicode", "demo"),
    "numbers": asking("go", "demo-n200-r0-d0"),
    "reasoning": asking("think", "demo"),
    "parallel calls": asking("weather in Berlin and Paris, please", "demo", tools=_TOOLS),
    "a forced call": asking("hello", "demo", tools=_TOOLS, options=Options(tool_choice="get_time")),
    "any call": asking("hello", "demo", tools=_TOOLS, options=Options(tool_choice="required")),
    "results": ModelRequest(model="demo", messages=_RESULTS, tools=_TOOLS),
    "image": ModelRequest(model="demo", messages=(ChatMessage("user", _IMAGES),)),
    "image by URL": ModelRequest(
        model="demo", messages=(ChatMessage("user", (ImagePart(url="https://example.com/a.png"),)),)
    ),
    "refusal": asking("refuse", "demo"),
    "limit": asking("go", options=Options(max_output_tokens=20)),
    "structured": asking("a city", "demo", options=Options(response_schema=CITY)),
    "effort": asking("think", "demo", options=Options(reasoning_effort="high", max_output_tokens=2000)),
}


@dataclass
class Answer:
    """`usage`: input, output, cached tokens."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    usage: tuple[int | None, int | None, int | None] = (None, None, None)


def body_of(dialect, request):
    return json.loads(DIALECTS[dialect].build(request, api_key="any key").body)


async def our_answer(upstream, dialect, request):
    """What our own decoder reads; arguments as JSON values, written anew."""
    heard = await ask(upstream, dialect, request)
    assert heard.error is None
    assert heard.usage is not None
    refusal = "".join(delta.text for delta in heard.deltas if isinstance(delta, RefusalDelta))
    usage = (heard.usage.input_tokens, heard.usage.output_tokens, heard.usage.cached_tokens)
    calls = [(name, normal(arguments)) for name, arguments in heard.calls]
    return Answer(heard.text, heard.reasoning, refusal, calls, usage)


def normal(arguments):
    value = json.loads(arguments) if isinstance(arguments, str) else arguments
    return json.dumps(value, sort_keys=True)
