"""What of a user's wishes a model can take; and that what is left out is told."""

import json
from typing import Any

import pytest

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
    ToolSchema,
)
from tests.llm.wire import dialect

DIALECTS = ("openai_chat", "openai_responses", "anthropic_messages")
ADD = ToolSchema("add", "Adds.", {"type": "object", "properties": {}})
SCHEMA = {"type": "object", "properties": {}}
PDF = FilePart("a.pdf", "application/pdf", data=b"%PDF")
IMAGE = ImagePart(url="https://a.example/b.png")

each = pytest.mark.parametrize("name", DIALECTS)


def user(*parts: Part) -> ChatMessage:
    return ChatMessage("user", parts or (TextPart("hi"),))


def assistant(*parts: Part) -> ChatMessage:
    return ChatMessage("assistant", parts)


def request(*messages: ChatMessage, can: set[str] | None = None, **more: Any) -> ModelRequest:
    return ModelRequest("m", messages or (user(),), capabilities=frozenset(can or ()), **more)


def body_of(name: str, asked: ModelRequest) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(dialect(name).build(asked, api_key="k").body)
    return body


def dropped(name: str, asked: ModelRequest) -> tuple[str, ...]:
    return dialect(name).build(asked, api_key="k").dropped


def said(name: str, asked: ModelRequest) -> str:
    body = body_of(name, asked)
    return json.dumps(body.get("messages") or body["input"], ensure_ascii=False)


# --- what is told to be left out ------------------------------------------------------------------

OPTIONS = {
    "temperature": Options(temperature=0.5),
    "max_output_tokens": Options(max_output_tokens=100),
    "reasoning_effort": Options(reasoning_effort="low"),
    "tool_choice": Options(tool_choice="required"),
    "response_schema": Options(response_schema=SCHEMA),
}
REFUSED = [
    ("openai_chat", "temperature", {"no_temperature"}),
    ("openai_chat", "max_output_tokens", {"max_completion_tokens", "no_max_completion_tokens", "no_max_tokens"}),
    ("openai_chat", "reasoning_effort", {"no_reasoning_effort"}),
    ("openai_chat", "reasoning_effort", {"no_thinking"}),
    ("openai_chat", "tool_choice", {"no_tool_choice"}),
    ("openai_chat", "response_schema", {"no_response_format"}),
    ("openai_responses", "temperature", {"no_temperature"}),
    ("openai_responses", "max_output_tokens", {"no_max_output_tokens"}),
    ("openai_responses", "reasoning_effort", {"no_reasoning"}),
    ("openai_responses", "reasoning_effort", {"no_reasoning_effort", "reasoning"}),
    ("openai_responses", "reasoning_effort", {"no_thinking", "reasoning"}),
    ("openai_responses", "tool_choice", {"no_tool_choice"}),
    ("openai_responses", "response_schema", {"no_text"}),
    ("openai_responses", "response_schema", {"no_response_format"}),
    ("anthropic_messages", "temperature", {"no_temperature"}),
    ("anthropic_messages", "reasoning_effort", {"no_thinking"}),
    ("anthropic_messages", "tool_choice", {"no_tool_choice"}),
    ("anthropic_messages", "response_schema", {"no_response_format"}),
    ("anthropic_messages", "response_schema", {"no_output_config"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wish", "can"), REFUSED)
def test_an_option_that_the_model_refuses_is_told(name: str, wish: str, can: set[str]):
    asked: dict[str, Any] = {"options": OPTIONS[wish], "tools": (ADD,)}
    assert dropped(name, request(can=can, **asked)) == (wish,)
    assert dropped(name, request(**asked)) == ()
    assert dropped(name, request(can=can, tools=(ADD,))) == ()


@each
def test_tools_that_the_model_refuses_are_told_and_the_choice_with_them(name: str):
    asked = request(can={"no_tools"}, tools=(ADD,), options=Options(tool_choice="required"))
    assert dropped(name, asked) == ("tool_choice", "tools")
    assert not {"tools", "tool_choice"} & set(body_of(name, asked))


@each
def test_among_no_tools_there_is_nothing_to_choose(name: str):
    assert dropped(name, request(options=Options(tool_choice="required"))) == ()
    assert (
        dropped(name, request(can={"no_tool_choice"}, tools=(ADD,), options=Options(tool_choice="auto")))
        == ()
    )


@each
def test_a_choice_of_a_tool_that_is_not_offered_is_told(name: str):
    assert dropped(name, request(tools=(ADD,), options=Options(tool_choice="other"))) == ("tool_choice",)


def test_thinking_leaves_no_room_for_a_temperature_nor_a_forced_call_for_thinking():
    both = Options(temperature=0.5, reasoning_effort="low")
    assert dropped("anthropic_messages", request(options=both)) == ("temperature",)
    forced = Options(reasoning_effort="low", tool_choice="add")
    assert dropped("anthropic_messages", request(options=forced, tools=(ADD,))) == ("reasoning_effort",)
    adaptive = request(options=forced, tools=(ADD,), can={"adaptive_thinking"})
    assert dropped("anthropic_messages", adaptive) == ()
    assert body_of("anthropic_messages", adaptive)["output_config"] == {"effort": "low"}


def test_an_effort_that_the_protocol_has_no_word_for_is_told():
    assert dropped("anthropic_messages", request(options=Options(reasoning_effort="heroic"))) == (
        "reasoning_effort",
    )
    assert dropped("anthropic_messages", request(options=Options(reasoning_effort="none"))) == ()


@each
def test_a_value_put_right_is_not_left_out(name: str):
    assert dropped(name, request(options=Options(temperature=1.5, max_output_tokens=1))) == ()


@each
def test_pictures_and_files_that_the_model_cannot_take_are_told(name: str):
    asked = request(user(TextPart("look"), IMAGE, PDF), can={"no_vision", "no_files"})
    assert dropped(name, asked) == ("images", "files")
    assert dropped(name, request(user(IMAGE, PDF))) == ()
    words = said(name, asked)
    assert "a.example" not in words
    assert "cannot see" in words
    assert "a.pdf, which this model cannot read" in words


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("openai_chat", FilePart("a.pdf", "application/pdf", url="https://a.example/a.pdf")),
        ("anthropic_messages", FilePart("a.docx", "application/msword", data=b"x")),
        ("anthropic_messages", FilePart("a.docx", "application/msword", url="https://a.example/a.docx")),
        ("openai_responses", FilePart("a.pdf", "application/pdf")),
    ],
)
def test_a_file_that_the_protocol_has_no_word_for_is_named_in_text(name: str, part: FilePart):
    asked = request(user(part))
    assert dropped(name, asked) == ("files",)
    assert f"A file, {part.name}" in said(name, asked)


# --- what a model is given instead ----------------------------------------------------------------


@each
@pytest.mark.parametrize("can", [set(), {"no_files"}])
def test_a_file_of_text_is_read_by_every_model(name: str, can: set[str]):
    part = FilePart("notes.md", "text/markdown; charset=utf-8", data="\ufeffGrüße\0".encode())
    asked = request(user(part, TextPart("sum up")), can=can)
    assert '<file name=\\"notes.md\\">\\nGrüße\ufffd\\n</file>' in said(name, asked)
    assert dropped(name, asked) == ()


@each
def test_a_picture_the_model_made_is_shown_to_it_with_the_next_question(name: str):
    messages = (user(), assistant(TextPart("There."), IMAGE), user(TextPart("redder")))
    body = body_of(name, request(*messages))
    *_, answer, question = body.get("messages") or body["input"]
    assert "a.example" not in json.dumps(answer)
    assert "a.example" in json.dumps(question)
    assert "From your answer above" in json.dumps(question)
    assert dropped(name, request(*messages, can={"no_vision"})) == ()


@each
def test_calls_of_another_model_are_told_as_a_story_to_one_without_tools(name: str):
    thought = ReasoningPart(
        "hm", {"dialect": name, "field": "reasoning", "item": {}, "block": {"type": "thinking"}}
    )
    call = ToolCallPart("x", "add", '{"a":1}')
    messages = (user(), assistant(thought, call, ToolResultPart("x", "3"), TextPart("Three.")), user())
    words = said(name, request(*messages, can={"no_tools"}))
    for told in ('[Called add: {\\"a\\":1}]', "[Result: 3]", "Three."):
        assert told in words
    for mark in ("tool_calls", "tool_use", "function_call", "thinking", "hm"):
        assert mark not in words


@each
def test_ids_that_are_too_long_are_shortened_where_that_is_wanted(name: str):
    call = ToolCallPart("call_" + "x" * 90, "add", "{}")
    messages = (user(), assistant(call, ToolResultPart(call.id, "3")))
    assert said(name, request(*messages)).count(call.id) == 2
    shortened = said(name, request(*messages, can={"short_call_ids"}))
    assert call.id not in shortened
    nine = assistant(ToolCallPart("abcdefGH1", "add", "{}"), ToolResultPart("abcdefGH1", "3"))
    assert said(name, request(user(), nine, can={"short_call_ids"})).count("abcdefGH1") == 2


@each
def test_a_name_that_a_model_made_up_is_sent_in_characters_that_providers_read(name: str):
    call = assistant(ToolCallPart("x", "web search!", "{}"), ToolCallPart("y", "", "{}"))
    words = said(name, request(user(), call))
    assert "web_search_" in words
    assert "unnamed" in words


@each
def test_a_model_that_cannot_stream_is_asked_for_a_whole_answer(name: str):
    wire = dialect(name).build(request(can={"no_stream"}), api_key="k")
    body = json.loads(wire.body)
    assert not body.get("stream")
    assert "stream_options" not in body
    assert wire.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("wish", "refused", "sent"),
    [
        ("xhigh", {"xhigh"}, "high"),
        ("max", {"max", "xhigh"}, "high"),
        ("minimal", {"minimal"}, "low"),
        ("none", {"none"}, "minimal"),
        ("none", {"none", "minimal"}, "low"),
        ("medium", {"medium", "low", "minimal", "high", "xhigh", "max"}, None),
    ],
)
def test_the_nearest_effort_that_is_not_refused(wish: str, refused: set[str], sent: str | None):
    asked = request(options=Options(reasoning_effort=wish), can={f"no_effort_{value}" for value in refused})
    assert body_of("openai_chat", asked).get("reasoning_effort") == sent
    assert dropped("openai_chat", asked) == (() if sent else ("reasoning_effort",))


# --- the system text ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("can", "role"),
    [
        (set(), "system"),
        ({"developer_role"}, "developer"),
        ({"developer_role", "no_developer_role"}, "system"),
        ({"no_system_role"}, "user"),
    ],
)
def test_the_system_text_under_a_role_the_model_listens_to(can: set[str], role: str):
    first = body_of("openai_chat", request(system="Be kind.", can=can))["messages"][0]
    assert (first["role"], first["content"].partition("\n")[0]) == (role, "Be kind.")
    without = body_of("openai_responses", request(system="Be kind.", can={*can, "no_instructions"}))
    assert "instructions" not in without
    assert (without["input"][0]["role"], without["input"][0]["content"][:8]) == (role, "Be kind.")


def test_a_server_without_system_text_hears_it_from_the_user():
    body = body_of("anthropic_messages", request(system="Be kind.", can={"no_system"}))
    assert "system" not in body
    assert body["messages"][0]["content"][0] == {"type": "text", "text": "Be kind."}


def test_the_system_text_has_a_message_of_its_own_where_an_answer_comes_first():
    asked = request(assistant(TextPart("a")), user(), system="Be kind.", can={"no_system_role"})
    assert body_of("openai_chat", asked)["messages"][0] == {"role": "user", "content": "Be kind."}
