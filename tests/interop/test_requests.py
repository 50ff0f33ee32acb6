"""Requests of every kind in all three dialects, as somebody else understands them."""

import json

import httpx
import pytest
from msgspec.structs import replace

from chat.llm.messages import ModelRequest
from tests.interop.asking import Heard, ask_through_guard
from tests.interop.kinds import KINDS

pytestmark = pytest.mark.interop

DIALECTS = ("openai_chat", "openai_responses", "anthropic_messages")


def base_url_for(dialect: str, url: str) -> str:
    return url.removesuffix("/v1") if dialect == "anthropic_messages" else url


async def ask(url: str, dialect: str, request: ModelRequest) -> Heard:
    heard, learned = await ask_through_guard(base_url_for(dialect, url), dialect, request)
    assert learned == []  # nothing of it was refused
    return heard


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_aimock_accepts_and_answers(aimock: str, dialect: str, name: str, stream: bool) -> None:
    kind = KINDS[name]
    heard = await ask(aimock, dialect, replace(kind.request, stream=stream))
    assert heard.text == kind.text
    assert tuple(name for name, _ in heard.calls) == kind.calls


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_aimock_understands_calls_and_their_results(aimock: str, dialect: str) -> None:
    """Its journal keeps every request as Chat Completions."""
    await ask(aimock, dialect, KINDS["parallel results"].request)
    async with httpx.AsyncClient(trust_env=False) as client:
        journal = (await client.get(aimock.removesuffix("/v1") + "/__aimock/journal")).json()
    messages = journal[-1]["body"]["messages"]
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    assert [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls
    ] == [
        ("call_1", "get_weather", {"city": "Berlin"}),
        ("call_2", "get_time", {"tz": "UTC"}),
    ]
    results = {m["tool_call_id"]: m["content"] for m in messages if m["role"] == "tool"}
    assert results == {"call_1": "21 °C", "call_2": "no clock here"}
    assert [tool["function"]["name"] for tool in journal[-1]["body"]["tools"]] == ["get_weather", "get_time"]
