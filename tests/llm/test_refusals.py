"""What a refusal tells of a model, in the words of many providers, and what is remembered of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from chat.exceptions import ProviderRejected
from chat.llm.dialects.errors import capability_after_refusal, http_error
from chat.llm.messages import ChatMessage, FilePart, ImagePart, ModelRequest, Options, TextPart, ToolSchema
from tests.llm import corpus
from tests.llm.wire import dialect

WORDINGS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "fixtures" / "refusals.json").read_text()
)
"""Bodies of refusals, and the field that each names; "" for those that say nothing of the model."""


def field_of(body: Any, status: int = 400) -> str | None:
    return http_error(status, {}, json.dumps(body).encode()).field


@pytest.mark.parametrize("wording", WORDINGS, ids=lambda wording: wording["field"] or "nothing")
def test_what_a_model_does_not_know_or_cannot_do_is_named(wording: dict[str, Any]):
    assert field_of(wording["body"]) == wording["field"]
    assert field_of(wording["body"], 429) == ""


@corpus.needs_corpus
@pytest.mark.parametrize("name", corpus.http_errors())
def test_of_the_recorded_errors_one_tells_of_a_model(name: str):
    answer = corpus.http_of(name)
    error = http_error(answer["status"], {}, answer["body"].encode())
    assert error.field == ("tools" if "tools-without-jinja" in name else "")


def test_a_server_error_that_names_what_is_missing_is_a_refusal():
    error = http_error(500, {}, b'{"error":{"code":500,"message":"tools param requires --jinja flag"}}')
    assert isinstance(error, ProviderRejected)
    assert error.field == "tools"


@pytest.mark.parametrize(
    ("field", "known", "capability"),
    [
        ("temperature", (), "no_temperature"),
        ("vision", (), "no_vision"),
        ("max_tokens", (), "max_completion_tokens"),
        ("max_tokens", ("max_completion_tokens",), "no_max_tokens"),
        ("max_completion_tokens", (), "no_max_completion_tokens"),
        ("thinking_budget", (), "adaptive_thinking"),
        ("thinking_budget", ("adaptive_thinking",), "no_thinking"),
        ("missing_reasoning_content", (), "reasoning_content"),
        ("missing_thought_signature", (), "thought_signatures"),
        ("call_ids", (), "short_call_ids"),
    ],
)
def test_what_is_remembered(field: str, known: tuple[str, ...], capability: str):
    assert capability_after_refusal(field, frozenset(known)) == capability


EVERYTHING = ModelRequest(
    model="m",
    system="Be kind.",
    messages=(
        ChatMessage(
            "user",
            (
                TextPart("look"),
                ImagePart(url="https://a.example/b.png"),
                FilePart("a.pdf", "application/pdf", data=b"%PDF"),
            ),
        ),
    ),
    tools=(ToolSchema("add", "Adds.", {"type": "object", "properties": {}}),),
    options=Options(
        temperature=0.5,
        max_output_tokens=5000,
        reasoning_effort="high",
        tool_choice="add",
        response_schema={"type": "object", "properties": {}},
    ),
    capabilities=frozenset({"reasoning", "adaptive_thinking", "prompt_cache_key", "cache_control"}),
)
FIELDS = {
    "openai_chat": (
        "cache_control", "files", "max_completion_tokens", "max_tokens", "prompt_cache_key", "reasoning_effort",
        "response_format", "stream", "stream_options", "strict", "system_role", "temperature", "thinking",
        "tool_choice", "tools", "vision", "effort_high",
    ),
    "openai_responses": (
        "effort_high", "files", "include", "instructions", "max_output_tokens", "prompt_cache_key", "reasoning",
        "reasoning_effort", "reasoning_summary", "response_format", "store", "stream", "strict", "temperature",
        "text", "thinking", "tool_choice", "tools", "vision",
    ),
    "anthropic_messages": (
        "adaptive_thinking", "effort_high", "files", "output_config", "reasoning_effort", "response_format", "stream",
        "system", "thinking", "tool_choice", "tools", "vision",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in FIELDS for field in FIELDS[name]])
def test_each_refusal_changes_the_next_request(name: str, field: str):
    """Else the same request would be refused once more."""
    known = EVERYTHING.capabilities
    if field == "max_completion_tokens":
        known |= {"max_completion_tokens"}
    tool_free = {"adaptive_thinking", "thinking"} & {field}  # a forced call excludes thinking
    options = Options(reasoning_effort="high") if tool_free else EVERYTHING.options

    def body(capabilities: frozenset[str]) -> bytes:
        request = ModelRequest(
            "m",
            EVERYTHING.messages,
            "Be kind.",
            EVERYTHING.tools,
            options,
            capabilities=capabilities,
        )
        return dialect(name).build(request, api_key="k").body

    assert body(known) != body(known | {capability_after_refusal(field, known)})
