"""Requests of every kind that the demo upstream need not understand: their shape is what counts."""

from chat.llm.messages import (
    ChatMessage,
    FilePart,
    ImagePart,
    ModelRequest,
    Options,
    ReasoningPart,
    ServerItemPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from tests.interop.asking import GET_TIME, GET_WEATHER
from tests.sdks.requests import CITY, PNG_640_480

_TOOLS = (GET_WEATHER, GET_TIME)
_THOUGHTS = (
    ReasoningPart(
        "hm",
        {
            "dialect": "anthropic_messages",
            "block": {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        },
    ),
    ReasoningPart(
        "", {"dialect": "anthropic_messages", "block": {"type": "redacted_thinking", "data": "EmwK"}}
    ),
    ReasoningPart(
        "hm",
        {
            "dialect": "openai_responses",
            "item": {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "gAAA",
            },
        },
    ),
)
_SEARCHES = (
    ServerItemPart(
        "server_tool_use",
        {
            "dialect": "anthropic_messages",
            "block": {
                "type": "server_tool_use",
                "id": "srvtoolu_1",
                "name": "web_search",
                "input": {"query": "a"},
            },
        },
    ),
    ServerItemPart(
        "web_search_tool_result",
        {
            "dialect": "anthropic_messages",
            "block": {
                "type": "web_search_tool_result",
                "tool_use_id": "srvtoolu_1",
                "content": [
                    {
                        "type": "web_search_result",
                        "url": "https://a.example",
                        "title": "A",
                        "encrypted_content": "Eq",
                    }
                ],
            },
        },
    ),
    ServerItemPart(
        "web_search_call",
        {
            "dialect": "openai_responses",
            "item": {
                "type": "web_search_call",
                "id": "ws_1",
                "status": "completed",
                "action": {"type": "search", "query": "a"},
            },
        },
    ),
)
_PHASE = ServerItemPart("message", {"dialect": "openai_responses", "item": {"phase": "commentary"}})
_CALLS = (
    ToolCallPart("call_1", "get_weather", '{"city": "Rome"}'),
    ToolCallPart("call_2", "get_time", '{"tz": "UTC"}'),
    ToolResultPart("call_1", "21 °C"),
    ToolResultPart("call_2", "no", failed=True),
)
_ATTACHED = (
    TextPart("What is this?"),
    ImagePart(data=PNG_640_480, media_type="image/png"),
    ImagePart(url="https://example.com/a.png"),
    ImagePart(file_id="file_1"),
    FilePart("a.pdf", "application/pdf", data=b"%PDF-1.7"),
    FilePart("b.pdf", "application/pdf", url="https://example.com/b.pdf"),
    FilePart("c.pdf", file_id="file_2"),
    FilePart("d.md", "text/markdown", data=b"# D"),
)


def _of(*parts, options=Options(), capabilities=(), **more) -> ModelRequest:  # noqa: B008  (frozen)
    messages = (
        ChatMessage("user", (TextPart("Hi"),)),
        ChatMessage("assistant", parts),
        *more.pop("then", ()),
    )
    return ModelRequest(
        model="m",
        messages=messages,
        tools=more.pop("tools", _TOOLS),
        options=options,
        capabilities=frozenset(capabilities),
        **more,
    )


_GO_ON = (ChatMessage("user", (TextPart("Go on."),)),)

SHAPES: dict[str, ModelRequest] = {
    "attachments": ModelRequest(model="m", messages=(ChatMessage("user", _ATTACHED),)),
    "thoughts before calls": _of(
        *_THOUGHTS, TextPart("So."), *_CALLS, options=Options(reasoning_effort="low")
    ),
    "searches": _of(*_THOUGHTS, *_SEARCHES, TextPart("A."), then=_GO_ON),
    "a paused turn": _of(*_THOUGHTS, TextPart("I look."), *_SEARCHES),
    "a phase": _of(TextPart("I look."), _PHASE, *_CALLS, TextPart("Done."), then=_GO_ON),
    "a picture of its own": _of(TextPart("There."), ImagePart(data=PNG_640_480), then=_GO_ON),
    "past calls without tools": _of(*_CALLS, TextPart("So."), then=_GO_ON, tools=()),
    "marks and keys": _of(
        TextPart("Long."),
        system="x" * 9000,
        then=_GO_ON,
        capabilities=("prompt_cache_key",),
    ),
    "everything set": _of(
        TextPart("So."),
        then=_GO_ON,
        system="Be kind.",
        options=Options(
            temperature=0.5,
            max_output_tokens=2000,
            reasoning_effort="high",
            tool_choice="none",
            response_schema=CITY,
        ),
        capabilities=("adaptive_thinking", "max_completion_tokens", "developer_role"),
    ),
    "a system text said otherwise": _of(
        TextPart("So."),
        then=_GO_ON,
        system="Be kind.",
        capabilities=("no_instructions", "no_system_role", "no_system"),
    ),
}
