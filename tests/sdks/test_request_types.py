"""The requests that our dialects build are what the official SDKs declare a request to be."""

import importlib
from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from tests.sdks.conftest import MISSING
from tests.sdks.requests import REQUESTS, body_of
from tests.sdks.shapes import SHAPES

KINDS = REQUESTS | SHAPES

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


@cache
def adapter_of(dialect):
    """Making one takes half a second."""
    return pytest.importorskip("pydantic").TypeAdapter(params_type(dialect))


def consumed(value):
    """Pydantic checks the items of an iterable only when somebody takes them."""
    if hasattr(value, "model_dump"):  # where an answer's type would do for a request too
        value = value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return {name: consumed(item) for name, item in value.items()}
    if isinstance(value, list | tuple | Iterator) or type(value).__name__ == "ValidatorIterator":
        return [consumed(item) for item in value]
    return value


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("dialect", PARAMS)
def test_requests_have_the_declared_shape(dialect, name):
    declared, adapter = params_type(dialect), adapter_of(dialect)
    body = body_of(dialect, KINDS[name])
    assert set(body) <= set(declared.__annotations__) | _inherited(declared)
    assert consumed(adapter.validate_python(body)) == body


@pytest.mark.parametrize("dialect", PARAMS)
def test_a_wrong_shape_would_be_seen(dialect):
    pydantic = pytest.importorskip("pydantic")
    adapter = adapter_of(dialect)
    body = body_of(dialect, REQUESTS["results"])
    list_name = "input" if dialect == "openai_responses" else "messages"
    body[list_name][-1] = {"role": "nobody", "content": 7}
    with pytest.raises(pydantic.ValidationError):
        consumed(adapter.validate_python(body))


def _inherited(declared):
    return set(getattr(declared, "__required_keys__", ())) | set(getattr(declared, "__optional_keys__", ()))
