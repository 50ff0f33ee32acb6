"""What is sent to a provider of the Responses protocol."""

import json
from typing import Any

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


def user(*parts: Any) -> ChatMessage:
    return ChatMessage("user", parts or (TextPart("hi"),))


def assistant(*parts: Any) -> ChatMessage:
    return ChatMessage("assistant", parts)


def body_of(*messages: ChatMessage, **more: Any) -> dict[str, Any]:
    request = ModelRequest("m", messages or (user(),), **more)
    body: dict[str, Any] = json.loads(dialect("openai_responses").build(request, api_key="k").body)
    return body


def input_of(*messages: ChatMessage, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body_of(*messages, **more)["input"]
    return found


def test_the_smallest_request():
    wire = dialect("openai_responses").build(ModelRequest("m", (user(),)), api_key="k")
    assert (wire.path, wire.headers["authorization"]) == ("/responses", "Bearer k")
    assert body_of() == {
        "model": "m",
        "input": [{"role": "user", "content": "hi"}],
        "store": False,
        "stream": True,
    }


def test_the_system_text_is_the_instructions():
    assert body_of(system="be kind")["instructions"] == "be kind"


def test_images():
    assert input_of(user(TextPart("see"), ImagePart(data=b"\x00", media_type="image/gif")))[0]["content"] == [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/gif;base64,AA=="},
    ]


def test_files_and_what_the_provider_has_already():
    parts = (
        FilePart("a.pdf", "application/pdf", data=b"%PDF"),
        FilePart("b.pdf", url="https://a/b.pdf"),
        FilePart("c.pdf", file_id="file_1"),
        ImagePart(file_id="file_2"),
    )
    assert input_of(user(*parts))[0]["content"] == [
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        {"type": "input_file", "file_url": "https://a/b.pdf"},
        {"type": "input_file", "file_id": "file_1"},
        {"type": "input_image", "detail": "auto", "file_id": "file_2"},
    ]


def test_encrypted_reasoning_is_asked_for_where_summaries_are_refused():
    body = body_of(capabilities=frozenset({"reasoning", "no_reasoning_summary"}))
    assert "reasoning" not in body
    assert body["include"] == ["reasoning.encrypted_content"]


def test_calls_results_and_reasoning_in_their_order():
    item = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e"}
    reasoning = ReasoningPart("hm", {"dialect": "openai_responses", "item": item})
    parts = (
        reasoning,
        TextPart("so "),
        TextPart("then"),
        ToolCallPart("x", "add", '{"a":1}'),
        ToolResultPart("x", "1"),
    )
    assert input_of(user(), assistant(*parts, TextPart("done")))[1:] == [
        item,
        {"role": "assistant", "content": "so then"},
        {"type": "function_call", "call_id": "x", "name": "add", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "x", "output": "1"},
        {"role": "assistant", "content": "done"},
    ]


def test_reasoning_without_what_it_led_to_is_left_out():
    item = {"type": "reasoning", "id": "rs", "encrypted_content": "e"}
    alone = ReasoningPart("hm", {"dialect": "openai_responses", "item": item})
    assert input_of(user(), assistant(alone)) == [{"role": "user", "content": "hi"}]
    foreign = ReasoningPart("hm", {"dialect": "anthropic_messages", "signature": "s"})
    assert input_of(assistant(foreign, TextPart("a"))) == [{"role": "assistant", "content": "a"}]


def test_a_custom_call_goes_back_as_one():
    custom = ToolCallPart("x", "sql", "SELECT 1", {"dialect": "openai_responses", "type": "custom_tool_call"})
    assert input_of(assistant(custom, ToolResultPart("x", "1"))) == [
        {"type": "custom_tool_call", "call_id": "x", "name": "sql", "input": "SELECT 1"},
        {"type": "custom_tool_call_output", "call_id": "x", "output": "1"},
    ]


def test_tools_are_flat_and_say_whether_they_are_strict():
    tool = ToolSchema("add", "Adds.", {"type": "object", "properties": {}})
    body = body_of(tools=(tool,), options=Options(tool_choice="add"))
    assert body["tools"] == [
        {
            "type": "function",
            "name": "add",
            "parameters": tool.parameters,
            "strict": False,
            "description": "Adds.",
        }
    ]
    assert body["tool_choice"] == {"type": "function", "name": "add"}


def test_options():
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    body = body_of(options=Options(temperature=0.5, max_output_tokens=9, response_schema=schema))
    assert (body["temperature"], body["max_output_tokens"]) == (0.5, 16)
    assert body["text"] == {
        "format": {"type": "json_schema", "name": "response", "schema": schema, "strict": True}
    }


def test_reasoning_is_asked_for_only_where_the_model_reasons():
    assert "include" not in body_of()
    body = body_of(options=Options(reasoning_effort="low"))
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body["include"] == ["reasoning.encrypted_content"]
    assert body_of(capabilities=frozenset({"reasoning"}))["reasoning"] == {"summary": "auto"}
