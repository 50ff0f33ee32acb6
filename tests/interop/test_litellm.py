"""LiteLLM's proxy in front of aimock: each model reaches it in another protocol and comes back as Chat Completions."""

import json

import pytest

from chat.exceptions import ProviderError
from tests.interop.asking import GET_TIME, GET_WEATHER, ask, question

pytestmark = pytest.mark.interop

MODELS = ["via-openai", "via-anthropic", "via-gemini", "via-mistral"]


async def test_its_own_mock_answers_without_an_upstream(litellm: str) -> None:
    heard = await ask(litellm, question("hello", model="mock-text"))
    assert heard.text == "Hello from LiteLLM, a streamed mock answer."
    assert heard.finish_reason == "stop"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", MODELS)
async def test_text_arrives_whole(litellm: str, model: str, stream: bool) -> None:
    heard = await ask(litellm, question("hello", model=model, stream=stream))
    assert heard.text == "Hi there! Grüße 😀 — done."
    assert heard.finish_reason == "stop"
    assert heard.ends == 1


async def test_separators_inside_a_line_arrive_unharmed(litellm: str) -> None:
    """Only by this road: towards the others LiteLLM 1.106 itself splits lines at U+2028 and drops the chunk."""
    heard = await ask(litellm, question("separators", model="via-openai"))
    assert heard.text == "中文,日本語 — \u2028 and \u0085 in one line, שלום."


async def test_an_error_in_mid_stream_keeps_what_came(litellm: str) -> None:
    """aimock cuts the emoji's surrogate pair in two, which this LiteLLM cannot encode: it sends an error event."""
    heard = await ask(litellm, question("scripts", model="via-openai"))
    assert heard.text == "中文,日本"
    assert isinstance(heard.error, ProviderError)
    assert heard.error.retryable
    assert heard.ends == 1


@pytest.mark.parametrize("model", MODELS)
async def test_usage_is_reported(litellm: str, model: str) -> None:
    usage = (await ask(litellm, question("hello", model=model))).usage
    assert usage is not None
    assert usage.output_tokens is not None


@pytest.mark.parametrize("model", ["via-openai", "via-anthropic", "via-gemini"])
async def test_reasoning_is_kept_apart_from_the_answer(litellm: str, model: str) -> None:
    heard = await ask(litellm, question("think", model=model))
    assert heard.reasoning == "Let me think about it first."
    assert heard.text == "The answer is 42."


@pytest.mark.parametrize("model", MODELS)
async def test_two_tool_calls_are_not_mixed(litellm: str, model: str) -> None:
    heard = await ask(litellm, question("two tools", model=model, tools=(GET_WEATHER, GET_TIME)))
    assert [(name, json.loads(arguments)) for name, arguments in heard.calls] == [
        ("get_weather", {"city": "Berlin"}),
        ("get_time", {"tz": "UTC"}),
    ]
    assert heard.finish_reason == "tool_calls"


@pytest.mark.parametrize("prompt", ["ratelimit", "overload"])
@pytest.mark.parametrize("model", MODELS)
async def test_a_busy_provider_behind_it_is_an_error_to_retry(litellm: str, model: str, prompt: str) -> None:
    heard = await ask(litellm, question(prompt, model=model))
    assert isinstance(heard.error, ProviderError)
    assert heard.error.retryable
    assert heard.text == ""


async def test_a_stream_cut_behind_it_does_not_pass_for_whole(litellm: str) -> None:
    heard = await ask(litellm, question("cutoff", model="via-openai"))
    assert isinstance(heard.error, ProviderError)
    assert "This will be cut before it can finish its sentence.".startswith(heard.text)
    assert heard.ends == 1


async def test_an_unknown_model_is_refused(litellm: str) -> None:
    heard = await ask(litellm, question("hello", model="no-such-model"))
    assert isinstance(heard.error, ProviderError)
    assert not heard.error.retryable
