"""What is sent to a provider of the Messages protocol."""

import json
from typing import Any

import pytest

from chat.llm.dialects.anthropic_messages import AnthropicMessages
from chat.llm.messages import (
    ChatMessage,
    FilePart,
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


def test_what_the_provider_has_already_goes_by_its_id_and_the_beta_that_knows_ids():
    parts = (ImagePart(file_id="file_1"), FilePart("a.docx", file_id="file_2"))
    assert messages_of(user(*parts))[0]["content"] == [
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_2"}, "title": "a.docx"},
    ]
    wire = dialect("anthropic_messages").build(ModelRequest("m", (user(*parts),)), api_key="k")
    assert wire.headers["anthropic-beta"] == "files-api-2025-04-14"
    plain = dialect("anthropic_messages").build(ModelRequest("m", (user(),)), api_key="k")
    assert "anthropic-beta" not in plain.headers


def test_documents():
    parts = (
        FilePart("a.pdf", "application/pdf", data=b"%PDF"),
        FilePart("", "application/pdf", url="https://a/b.pdf"),
    )
    assert messages_of(user(*parts))[0]["content"] == [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}},
    ]


def test_a_picture_in_a_data_url_is_unpacked():
    picture = ImagePart(url="data:image/webp;base64,AAAA")
    assert messages_of(user(picture))[0]["content"][0]["source"] == {
        "type": "base64",
        "media_type": "image/webp",
        "data": "AAAA",
    }


def test_ids_that_come_again_with_every_answer_are_told_apart():
    once = (ToolCallPart("call_0", "add", "{}"), ToolResultPart("call_0", "1"))
    found = messages_of(user(), assistant(*once), user(), assistant(*once))
    ids = [block.get("id") or block.get("tool_use_id") for message in found for block in message["content"]]
    assert [identity for identity in ids if identity] == ["call_0", "call_0", "call_0_2", "call_0_2"]


def test_past_calls_name_their_tools_where_none_is_offered():
    past = assistant(ToolCallPart("x", "add", "{}"), ToolResultPart("x", "1"))
    body = body_of(user(), past)
    assert body["tools"] == [{"name": "add", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}
    assert "tools" not in body_of(user())


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


@pytest.mark.parametrize(
    ("effort", "limit", "budget", "max_tokens"),
    [
        ("high", None, 16384, 16384 + 4096),
        ("high", 64000, 16384, 64000),
        ("max", 32000, 16000, 32000),
        ("low", 2048, 1024, 2048),
        ("minimal", 2000, 1024, 3024),
    ],
)
def test_thinking_takes_half_of_the_limit_at_most(
    effort: str, limit: int | None, budget: int, max_tokens: int
):
    body = body_of(options=Options(reasoning_effort=effort, max_output_tokens=limit))
    assert (body["thinking"]["budget_tokens"], body["max_tokens"]) == (budget, max_tokens)
    assert 1024 <= body["thinking"]["budget_tokens"] < body["max_tokens"]


def test_thinking_for_models_that_decide_themselves():
    body = body_of(options=Options(reasoning_effort="high"), capabilities=frozenset({"adaptive_thinking"}))
    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "high"})


def test_a_forced_call_excludes_thinking():
    assert "thinking" not in body_of(
        tools=(TOOL,), options=Options(reasoning_effort="low", tool_choice="required")
    )


def marks(value: Any) -> int:
    if isinstance(value, dict):
        return ("cache_control" in value) + sum(marks(item) for item in value.values())
    return sum(marks(item) for item in value) if isinstance(value, list) else 0


def test_of_a_long_conversation_the_end_and_what_was_the_end_before_are_marked():
    long = TextPart("x" * 6000)
    calls = assistant(ToolCallPart("x", "add", "{}"), ToolResultPart("x", "1"))
    body = body_of(user(long), assistant(TextPart("a")), user(), calls, system="y" * 6000, tools=(TOOL,))
    assert marks(body) == 3
    assert [marks(message) for message in body["messages"]] == [0, 0, 1, 0, 1]
    assert marks(body["system"]) == 1


def test_without_a_system_text_the_tools_are_marked_and_answers_never():
    wide = ToolSchema("wide", "x" * 6000, {"properties": {}})
    body = body_of(user(), assistant(TextPart("a")), tools=(TOOL, wide))
    assert [marks(tool) for tool in body["tools"]] == [0, 1]
    assert [marks(message) for message in body["messages"]] == [1, 0]
    assert marks(body_of(system="y" * 5000)) == 0


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
