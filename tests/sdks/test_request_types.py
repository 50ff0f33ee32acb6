"""The requests that our dialects build are what the official SDKs declare a request to be."""

import importlib
from collections.abc import Iterator, Mapping

import pytest

from tests.sdks.conftest import MISSING
from tests.sdks.requests import REQUESTS, body_of

PARAMS = {
    "openai_chat": (
        "openai",
        "openai.types.chat.completion_create_params",
        "CompletionCreateParamsStreaming",
    ),
    "openai_responses": (
        "openai",
        "openai.types.responses.response_create_params",
        "ResponseCreateParamsStreaming",
    ),
    "anthropic_messages": (
        "anthropic",
        "anthropic.types.message_create_params",
        "MessageCreateParamsStreaming",
    ),
}


def params_type(dialect):
    package, module, name = PARAMS[dialect]
    pytest.importorskip(package, reason=MISSING.format(package))
    return getattr(importlib.import_module(module), name)


def consumed(value):
    """Pydantic checks the items of an iterable only when somebody takes them."""
    if isinstance(value, Mapping):
        return {name: consumed(item) for name, item in value.items()}
    if isinstance(value, list | tuple | Iterator) or type(value).__name__ == "ValidatorIterator":
        return [consumed(item) for item in value]
    return value


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("dialect", PARAMS)
def test_requests_have_the_declared_shape(dialect, name):
    declared = params_type(dialect)
    adapter = pytest.importorskip("pydantic").TypeAdapter(declared)
    body = body_of(dialect, REQUESTS[name])
    assert set(body) <= set(declared.__annotations__) | _inherited(declared)
    assert consumed(adapter.validate_python(body)) == body


@pytest.mark.parametrize("dialect", PARAMS)
def test_a_wrong_shape_would_be_seen(dialect):
    pydantic = pytest.importorskip("pydantic")
    adapter = pydantic.TypeAdapter(params_type(dialect))
    body = body_of(dialect, REQUESTS["results"])
    list_name = "input" if dialect == "openai_responses" else "messages"
    body[list_name][-1] = {"role": "nobody", "content": 7}
    with pytest.raises(pydantic.ValidationError):
        consumed(adapter.validate_python(body))


def _inherited(declared):
    return set(getattr(declared, "__required_keys__", ())) | set(getattr(declared, "__optional_keys__", ()))
