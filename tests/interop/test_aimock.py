"""aimock (npm `@copilotkit/aimock`): Chat Completions as somebody else understands them."""

import json

import pytest

from chat.exceptions import ProviderAuth, ProviderCut, ProviderGarbage, ProviderOverloaded, ProviderRejected
from chat.llm.messages import ChatMessage, ModelRequest, TextPart, ToolCallPart, ToolResultPart
from tests.interop.asking import GET_TIME, GET_WEATHER, ask, question

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("stream", [True, False])
async def test_text_arrives_whole(aimock: str, stream: bool) -> None:
    heard = await ask(aimock, question("hello", stream=stream))
    assert heard.text == "Hi there! Grüße 😀 — done."
    assert heard.finish_reason == "stop"
    assert heard.ends == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_characters_cut_into_bits_arrive_unharmed(aimock: str, stream: bool) -> None:
    heard = await ask(aimock, question("scripts", stream=stream))
    assert heard.text == "中文,日本語 — 👩‍👩‍👧‍👦 \u2028 and \u0085 in one line, שלום."


async def test_usage_is_reported_in_a_stream(aimock: str) -> None:
    usage = (await ask(aimock, question("hello"))).usage
    assert usage is not None
    assert usage.input_tokens
    assert usage.output_tokens


@pytest.mark.parametrize("stream", [True, False])
async def test_reasoning_is_kept_apart_from_the_answer(aimock: str, stream: bool) -> None:
    heard = await ask(aimock, question("think", model="o3", stream=stream))
    assert heard.reasoning == "Let me think about it first."
    assert heard.text == "The answer is 42."


@pytest.mark.parametrize("stream", [True, False])
async def test_one_tool_call_arrives_ready(aimock: str, stream: bool) -> None:
    heard = await ask(aimock, question("weather", stream=stream, tools=(GET_WEATHER,)))
    assert [(name, json.loads(arguments)) for name, arguments in heard.calls] == [
        ("get_weather", {"city": "Berlin"})
    ]
    assert heard.finish_reason == "tool_calls"


async def test_two_tool_calls_are_not_mixed(aimock: str) -> None:
    heard = await ask(aimock, question("two tools", tools=(GET_WEATHER, GET_TIME)))
    assert heard.text == "Calling both."
    assert [(name, json.loads(arguments)) for name, arguments in heard.calls] == [
        ("get_weather", {"city": "Berlin"}),
        ("get_time", {"tz": "UTC"}),
    ]


async def test_a_tools_result_is_sent_back_so_that_the_other_side_knows_it(aimock: str) -> None:
    messages = (
        ChatMessage("user", (TextPart("weather"),)),
        ChatMessage("assistant", (ToolCallPart("call_1", "get_weather", '{"city":"Berlin"}'),)),
        ChatMessage("user", (ToolResultPart("call_1", "21 °C"),)),
    )
    heard = await ask(aimock, ModelRequest(model="gpt-4o", messages=messages, tools=(GET_WEATHER,)))
    assert heard.text == "It is 21 °C in Berlin."


async def test_429_is_overload_with_a_time_to_wait(aimock: str) -> None:
    error = (await ask(aimock, question("ratelimit"))).error
    assert isinstance(error, ProviderOverloaded)
    assert error.status == 429
    assert error.retry_after_seconds == 1


async def test_529_is_overload(aimock: str) -> None:
    error = (await ask(aimock, question("overload"))).error
    assert isinstance(error, ProviderOverloaded)
    assert error.status == 529


async def test_401_is_a_refused_key(aimock: str) -> None:
    error = (await ask(aimock, question("bad key"))).error
    assert isinstance(error, ProviderAuth)


async def test_404_is_a_rejection_that_is_not_retried(aimock: str) -> None:
    error = (await ask(aimock, question("nobody has an answer to this"))).error
    assert isinstance(error, ProviderRejected)
    assert not error.retryable


async def test_a_cut_stream_keeps_what_came_and_ends_in_provider_cut(aimock: str) -> None:
    heard = await ask(aimock, question("cutoff"))
    assert isinstance(heard.error, ProviderCut)
    assert heard.text
    assert "This will be cut before it can finish its sentence.".startswith(heard.text)
    assert heard.ends == 1


async def test_a_connection_dropped_before_the_head_is_a_cut(aimock: str) -> None:
    heard = await ask(aimock, question("hello"), {"x-aimock-chaos-disconnect": "1"})
    assert isinstance(heard.error, ProviderCut)
    assert heard.text == ""


async def test_malformed_json_is_garbage(aimock: str) -> None:
    heard = await ask(aimock, question("hello"), {"x-aimock-chaos-malformed": "1"})
    assert isinstance(heard.error, ProviderGarbage)


async def test_a_dropped_request_is_the_providers_trouble(aimock: str) -> None:
    error = (await ask(aimock, question("hello"), {"x-aimock-chaos-drop": "1"})).error
    assert isinstance(error, ProviderOverloaded)
    assert error.status == 500
