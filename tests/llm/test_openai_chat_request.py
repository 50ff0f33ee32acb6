"""What is sent to a provider of the Chat Completions protocol."""

import json
from typing import Any

import pytest

from chat.llm.messages import (
    ChatMessage,
    FilePart,
    ImagePart,
    ModelRequest,
    Options,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSchema,
)
from tests.llm.wire import dialect

TOOL = ToolSchema("add", "Adds.", {"type": "object", "properties": {"a": {"type": "number"}}})


def user(*parts: Any) -> ChatMessage:
    return ChatMessage("user", parts or (TextPart("hi"),))


def assistant(*parts: Any) -> ChatMessage:
    return ChatMessage("assistant", parts)


def body_of(*messages: ChatMessage, **more: Any) -> dict[str, Any]:
    request = ModelRequest("m", messages or (user(),), **more)
    body: dict[str, Any] = json.loads(dialect("openai_chat").build(request, api_key="k").body)
    return body


def messages_of(*messages: ChatMessage, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body_of(*messages, **more)["messages"]
    return found


def test_path_and_headers():
    wire = dialect("openai_chat").build(ModelRequest("m", (user(),)), api_key="k")
    assert wire.path == "/chat/completions"
    assert wire.headers["authorization"] == "Bearer k"
    assert wire.headers["accept"] == "text/event-stream"
    assert "authorization" not in dialect("openai_chat").build(ModelRequest("m", ()), api_key="").headers


def test_the_smallest_request():
    assert body_of() == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_stream_options_are_left_out_where_refused_or_useless():
    assert "stream_options" not in body_of(capabilities=frozenset({"no_stream_options"}))
    assert body_of(stream=False)["stream"] is False
    assert "stream_options" not in body_of(stream=False)


def test_the_system_text_goes_first_under_the_role_the_model_knows():
    assert messages_of(system="be kind")[0] == {"role": "system", "content": "be kind"}
    developer = messages_of(system="be kind", capabilities=frozenset({"developer_role"}))
    assert developer[0]["role"] == "developer"


def test_images_by_url_and_by_data():
    parts = (
        TextPart("see"),
        ImagePart(url="https://a/b.png"),
        ImagePart(data=b"\x00", media_type="image/gif"),
    )
    assert messages_of(user(*parts))[0]["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/gif;base64,AA=="}},
    ]


def test_files_by_data_and_what_the_provider_has_by_its_id():
    parts = (
        FilePart("a.pdf", "application/pdf", data=b"%PDF"),
        FilePart("b.pdf", file_id="file_1"),
        ImagePart(file_id="file_2"),
    )
    assert messages_of(user(*parts))[0]["content"] == [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
        {"type": "file", "file": {"file_id": "file_1"}},
        {"type": "file", "file": {"file_id": "file_2"}},
    ]


def test_calls_and_their_results_stand_right_after_each_other():
    x, y = ToolCallPart("x", "add", '{"a":1}'), ToolCallPart("y", "add", "{}")
    answer = (TextPart("so"), x, y, ToolResultPart("y", "2"), ToolResultPart("x", "1"), TextPart("done"))
    assert messages_of(user(), assistant(*answer))[1:] == [
        {
            "role": "assistant",
            "content": "so",
            "tool_calls": [
                {"id": "x", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}},
                {"id": "y", "type": "function", "function": {"name": "add", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "x", "content": "1"},
        {"role": "tool", "tool_call_id": "y", "content": "2"},
        {"role": "assistant", "content": "done"},
    ]


def test_results_may_stand_in_a_message_of_their_own():
    call = assistant(ToolCallPart("x", "add", "{}"))
    assert messages_of(user(), call, user(ToolResultPart("x", "1")), user(TextPart("go on")))[2:] == [
        {"role": "tool", "tool_call_id": "x", "content": "1"},
        {"role": "user", "content": "go on"},
    ]


def test_a_call_that_never_ran_gets_an_answer_and_a_result_without_call_is_dropped():
    stopped = assistant(ToolCallPart("x", "add", "{}"))
    found = messages_of(user(ToolResultPart("z", "0")), stopped, user(TextPart("again")))
    assert [message["role"] for message in found] == ["assistant", "tool", "user"]
    assert found[1] == {"role": "tool", "tool_call_id": "x", "content": "This call was not run."}


def test_a_result_without_call_does_not_cut_the_next_turn():
    calls = assistant(ToolCallPart("x", "add", "{}"), ToolCallPart("y", "add", "{}"))
    found = messages_of(user(ToolResultPart("z", "0")), calls)
    assert [message["role"] for message in found] == ["assistant", "tool", "tool"]


@pytest.mark.parametrize(
    ("written", "sent"),
    [('{"a', {"unreadable_arguments": '{"a'}), ("null", {}), ("", {}), ("[1]", {"value": [1]})],
)
def test_arguments_that_are_no_object_are_sent_as_one(written: str, sent: Any):
    found = messages_of(assistant(ToolCallPart("x", "add", written)))
    assert json.loads(found[0]["tool_calls"][0]["function"]["arguments"]) == sent


def test_answers_without_anything_to_say_are_left_out():
    assert (
        messages_of(user(), assistant(ReasoningPart("hm")), user()) == [{"role": "user", "content": "hi"}] * 2
    )


def test_a_refusal_goes_back_as_text():
    assert messages_of(assistant(RefusalPart("no")))[0] == {"role": "assistant", "content": "no"}


def test_reasoning_text_goes_back_in_tool_turns_under_the_name_it_came_with():
    opaque = {"dialect": "openai_chat", "field": "reasoning_content", "details": []}
    call = ToolCallPart("x", "add", "{}")
    turn = assistant(ReasoningPart("hm"), call, ReasoningPart("", opaque), ToolResultPart("x", "1"))
    assert messages_of(turn)[0]["reasoning_content"] == "hm"
    assert "reasoning_content" not in messages_of(assistant(ReasoningPart("hm", opaque), TextPart("a")))[0]
    assert "reasoning_content" not in messages_of(turn, capabilities=frozenset({"no_reasoning_content"}))[0]


def test_reasoning_details_go_back_verbatim():
    details = [{"type": "reasoning.encrypted", "data": "e"}]
    opaque = {"dialect": "openai_chat", "field": "reasoning", "details": details}
    found = messages_of(assistant(ReasoningPart("hm", opaque), TextPart("a")))[0]
    assert found == {"role": "assistant", "content": "a", "reasoning_details": details}


def test_what_another_dialect_left_is_not_sent():
    foreign = {"dialect": "anthropic_messages", "signature": "s"}
    found = messages_of(assistant(ReasoningPart("hm", foreign), ToolCallPart("x", "add", "{}", foreign)))[0]
    assert set(found) == {"role", "content", "tool_calls"}
    assert set(found["tool_calls"][0]) == {"id", "type", "function"}


def test_a_thought_signature_goes_back_with_its_call():
    extra = {"google": {"thought_signature": "c2ln"}}
    call = ToolCallPart("x", "add", "{}", {"dialect": "openai_chat", "extra_content": extra})
    assert messages_of(assistant(call))[0]["tool_calls"][0]["extra_content"] == extra


def test_tools_and_the_choice_among_them():
    assert body_of(tools=(TOOL,))["tools"] == [
        {
            "type": "function",
            "function": {"name": "add", "description": "Adds.", "parameters": TOOL.parameters},
        }
    ]
    assert "tool_choice" not in body_of(options=Options(tool_choice="auto"))
    assert body_of(tools=(TOOL,), options=Options(tool_choice="required"))["tool_choice"] == "required"
    named = body_of(tools=(TOOL,), options=Options(tool_choice="add"))["tool_choice"]
    assert named == {"type": "function", "function": {"name": "add"}}


def test_options():
    body = body_of(options=Options(temperature=0.5, max_output_tokens=9, reasoning_effort="low"))
    assert (body["temperature"], body["max_tokens"], body["reasoning_effort"]) == (0.5, 9, "low")


def test_the_token_limit_under_the_name_the_model_knows():
    new = frozenset({"max_completion_tokens"})
    body = body_of(options=Options(max_output_tokens=9), capabilities=new)
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body


def test_a_field_the_model_refuses_is_left_out():
    body = body_of(options=Options(temperature=0.5), capabilities=frozenset({"no_temperature"}))
    assert "temperature" not in body


def test_a_response_schema_is_strict_only_where_it_can_be():
    closed = {"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}
    found = body_of(options=Options(response_schema=closed))["response_format"]
    assert found == {
        "type": "json_schema",
        "json_schema": {"name": "response", "schema": closed, "strict": True},
    }
    loose = body_of(options=Options(response_schema={"type": "object"}))["response_format"]
    assert loose["json_schema"]["strict"] is False


def test_lone_surrogates_do_not_break_the_request():
    assert messages_of(user(TextPart("a\ud83d")))[0]["content"] == "a\ufffd"


def test_a_model_that_sees_nothing_is_told_that_there_was_an_image():
    message = ChatMessage("user", (TextPart("look"), ImagePart(url="https://example.org/a.png")))
    request = ModelRequest(model="m", messages=(message,), capabilities=frozenset({"no_vision"}))
    sent = json.loads(dialect("openai_chat").build(request, api_key="").body)
    assert "example.org" not in json.dumps(sent)
    assert "cannot see" in json.dumps(sent)


def test_thoughts_go_back_with_every_step_since_the_call_and_not_with_older_answers():
    field = {"dialect": "openai_chat", "field": "reasoning_content", "details": []}
    run = assistant(
        ReasoningPart("one", field),
        ToolCallPart("x", "add", "{}"),
        ToolResultPart("x", "1"),
        ReasoningPart("two"),
        TextPart("1"),
    )
    plain = assistant(ReasoningPart("three", field), TextPart("2"))
    found = messages_of(user(), run, user(), plain)
    assert [message.get("reasoning_content") for message in found] == [None, "one", None, "two", None, None]


def test_a_model_that_demands_its_thoughts_gets_the_field_also_where_there_were_none():
    call = assistant(ToolCallPart("x", "add", "{}"))
    assert messages_of(call, capabilities=frozenset({"reasoning_content"}))[0]["reasoning_content"] == ""
    assert "reasoning_content" not in messages_of(call)[0]


def test_a_field_that_no_provider_has_is_not_sent():
    odd = ReasoningPart("hm", {"dialect": "openai_chat", "field": "content", "details": []})
    assert messages_of(assistant(odd, ToolCallPart("x", "add", "{}")))[0]["content"] is None


def test_calls_without_a_signature_say_so_to_a_model_that_demands_one():
    signed = ToolCallPart("x", "add", "{}", {"dialect": "openai_chat", "extra_content": {"google": {}}})
    bare = ToolCallPart("y", "add", "{}")
    demands = frozenset({"thought_signatures"})
    calls = messages_of(assistant(bare, bare), capabilities=demands)[0]["tool_calls"]
    assert calls[0]["extra_content"]["google"]["thought_signature"] == "skip_thought_signature_validator"
    assert "extra_content" not in calls[1]
    calls = messages_of(assistant(signed, bare), capabilities=demands)[0]["tool_calls"]
    assert [call.get("extra_content") for call in calls] == [{"google": {}}, None]
    refused = messages_of(assistant(signed), capabilities=frozenset({"no_extra_content"}))
    assert "extra_content" not in refused[0]["tool_calls"][0]


def test_a_word_between_result_and_user_where_the_model_wants_one():
    call = assistant(ToolCallPart("x", "add", "{}"), ToolResultPart("x", "1"))
    found = messages_of(call, user(), capabilities=frozenset({"no_user_after_tool"}))
    assert [message["role"] for message in found] == ["assistant", "tool", "assistant", "user"]


def test_a_conversation_keeps_its_cache_key_where_the_provider_knows_one():
    knows = frozenset({"prompt_cache_key"})
    key = body_of(user(), system="s", capabilities=knows)["prompt_cache_key"]
    longer = body_of(user(), assistant(TextPart("a")), user(TextPart("b")), system="s", capabilities=knows)
    assert longer["prompt_cache_key"] == key
    assert body_of(user(TextPart("other")), system="s", capabilities=knows)["prompt_cache_key"] != key
    assert "prompt_cache_key" not in body_of()


def test_cache_marks_for_routers_that_hand_them_on():
    knows = frozenset({"cache_control"})
    call = assistant(ToolCallPart("x", "add", "{}"), ToolResultPart("x", "1"), TextPart("a"))
    found = messages_of(user(), call, user(), user(TextPart("b")), system="s", capabilities=knows)
    marked = [isinstance(message["content"], list) for message in found]
    assert marked == [True, False, False, False, False, True, True]
    assert found[-1]["content"] == [{"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]
    assert messages_of(capabilities=knows | {"no_cache_control"})[0]["content"] == "hi"
