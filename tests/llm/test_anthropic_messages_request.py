"""What is sent to a provider of the Messages protocol."""

import json
from typing import Any

from chat.llm.dialects.anthropic_messages import AnthropicMessages
from chat.llm.messages import (
    ChatMessage,
    ImagePart,
    ModelRequest,
    Options,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSchema,
)
from tests.llm.wire import dialect

TOOL = ToolSchema("add", "Adds.", {"properties": {}})


def user(*parts: Any) -> ChatMessage:
    return ChatMessage("user", parts or (TextPart("hi"),))


def assistant(*parts: Any) -> ChatMessage:
    return ChatMessage("assistant", parts)


def body_of(*messages: ChatMessage, **more: Any) -> dict[str, Any]:
    request = ModelRequest("m", messages or (user(),), **more)
    body: dict[str, Any] = json.loads(dialect("anthropic_messages").build(request, api_key="k").body)
    return body


def messages_of(*messages: ChatMessage, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body_of(*messages, **more)["messages"]
    return found


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_path_and_headers():
    wire = dialect("anthropic_messages").build(ModelRequest("m", (user(),)), api_key="k")
    assert wire.path == "/v1/messages"
    assert (wire.headers["x-api-key"], wire.headers["anthropic-version"]) == ("k", "2023-06-01")
    newer = AnthropicMessages(version="2026-10-21").build(ModelRequest("m", (user(),)), api_key="k")
    assert newer.headers["anthropic-version"] == "2026-10-21"


def test_the_smallest_request():
    assert body_of() == {
        "model": "m",
        "messages": [{"role": "user", "content": [text("hi")]}],
        "max_tokens": 4096,
        "stream": True,
    }


def test_images():
    parts = (ImagePart(url="https://a/b.png"), ImagePart(data=b"\x00", media_type="image/gif"))
    assert messages_of(user(*parts))[0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "AA=="}},
    ]


def test_all_results_of_a_turn_begin_the_next_user_message():
    x, y = ToolCallPart("x", "add", '{"a":1}'), ToolCallPart("y", "add", "")
    results = (ToolResultPart("y", "2"), ToolResultPart("x", "no", failed=True))
    found = messages_of(user(), assistant(TextPart("so"), x, y, *results), user(TextPart("go on")))
    assert found[1:] == [
        {
            "role": "assistant",
            "content": [
                text("so"),
                {"type": "tool_use", "id": "x", "name": "add", "input": {"a": 1}},
                {"type": "tool_use", "id": "y", "name": "add", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "x", "content": "no", "is_error": True},
                {"type": "tool_result", "tool_use_id": "y", "content": "2"},
                text("go on"),
            ],
        },
    ]


def test_roles_alternate_and_the_first_is_the_users():
    found = messages_of(assistant(TextPart("a")), user(), user(TextPart("again")), assistant(TextPart("b ")))
    assert [message["role"] for message in found] == ["user", "assistant", "user", "assistant"]
    assert found[2]["content"] == [text("hi"), text("again")]
    assert found[3]["content"] == [text("b")]


def test_blank_texts_are_left_out():
    assert messages_of(user(TextPart(" \n"), TextPart("hi"))) == [{"role": "user", "content": [text("hi")]}]


def test_thinking_goes_back_as_it_came_in_front_of_what_it_led_to():
    block = {"type": "thinking", "thinking": "hm", "signature": "s"}
    signed = ReasoningPart("hm", {"dialect": "anthropic_messages", "block": block})
    assert messages_of(user(), assistant(signed, TextPart("a")))[1]["content"] == [block, text("a")]
    assert len(messages_of(user(), assistant(signed))) == 1
    foreign = ReasoningPart("hm", {"dialect": "openai_chat", "field": "reasoning", "details": []})
    assert messages_of(user(), assistant(foreign, TextPart("a")))[1]["content"] == [text("a")]


def test_ids_of_other_providers_are_made_to_fit():
    call = ToolCallPart("functions.add:0", "add", "{}")
    found = messages_of(user(), assistant(call, ToolResultPart("functions.add:0", "1")))
    assert found[1]["content"][0]["id"] == found[2]["content"][0]["tool_use_id"] == "functions_add_0"


def test_tools_and_the_choice_among_them():
    body = body_of(tools=(TOOL,), options=Options(tool_choice="required"))
    assert body["tools"] == [
        {"name": "add", "description": "Adds.", "input_schema": {"type": "object", "properties": {}}}
    ]
    assert body["tool_choice"] == {"type": "any"}
    assert body_of(tools=(TOOL,), options=Options(tool_choice="add"))["tool_choice"] == {
        "type": "tool",
        "name": "add",
    }


def test_options():
    body = body_of(options=Options(temperature=1.5, max_output_tokens=9, response_schema={"type": "object"}))
    assert (body["temperature"], body["max_tokens"]) == (1.0, 9)
    assert body["output_config"] == {
        "format": {"type": "json_schema", "schema": {"additionalProperties": False, "type": "object"}}
    }


def test_thinking_has_a_budget_within_the_limit_and_no_temperature():
    body = body_of(options=Options(reasoning_effort="low", max_output_tokens=100, temperature=0.5))
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert body["max_tokens"] == 2148
    assert "temperature" not in body


def test_thinking_for_models_that_decide_themselves():
    body = body_of(options=Options(reasoning_effort="high"), capabilities=frozenset({"adaptive_thinking"}))
    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "high"})


def test_a_forced_call_excludes_thinking():
    assert "thinking" not in body_of(
        tools=(TOOL,), options=Options(reasoning_effort="low", tool_choice="required")
    )


def test_long_prompts_are_marked_for_caching():
    mark = {"type": "ephemeral"}
    assert body_of(system="short")["system"] == "short"
    assert body_of(system="x" * 6000)["system"][0]["cache_control"] == mark
    assert messages_of(user(TextPart("x" * 6000)))[0]["content"][-1]["cache_control"] == mark
    unmarked = frozenset({"no_cache_control"})
    assert (
        body_of(user(TextPart("x" * 6000)), system="x" * 6000, capabilities=unmarked)["system"] == "x" * 6000
    )
    assert (
        "cache_control"
        not in messages_of(user(TextPart("x" * 6000)), capabilities=unmarked)[0]["content"][-1]
    )
