"""The protocols' rules that decoders forgive and SDKs may rely on: order, numbers, framing."""

import json

import httpx
import pytest

from tests.demo.reading import asking
from tests.interop.asking import GET_WEATHER
from tests.sdks.requests import body_of

THINKS_AND_CALLS = asking("think: weather in Rome and Oslo", "demo", tools=(GET_WEATHER,))
ADDRESSES = {
    "openai_chat": "chat/completions",
    "openai_responses": "responses",
    "anthropic_messages": "messages",
}


async def events_of(upstream, dialect, request=THINKS_AND_CALLS, **more):
    """Name and data of each event."""
    body = body_of(dialect, request) | more
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.post(f"{upstream.base_url}/{ADDRESSES[dialect]}", json=body)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("\n\n")
    events = []
    for block in answer.text.removesuffix("\n\n").split("\n\n"):
        name, _, data = block.rpartition("\n")
        data = data.removeprefix("data: ")
        events.append((name.removeprefix("event: "), data if data == "[DONE]" else json.loads(data)))
    return events


async def test_chat_says_role_then_content_then_reason_then_usage_then_done(upstream):
    events = await events_of(upstream, "openai_chat")
    assert {name for name, _ in events} == {""}
    chunks = [data for _, data in events[:-1]]
    assert events[-1][1] == "[DONE]"
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] > 0
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


async def test_chat_names_a_call_in_its_first_fragment_alone(upstream):
    chunks = [data for _, data in (await events_of(upstream, "openai_chat"))[:-1]]
    fragments = [
        call for c in chunks if c["choices"] for call in c["choices"][0]["delta"].get("tool_calls", ())
    ]
    named = [fragment for fragment in fragments if "id" in fragment]
    assert [fragment["index"] for fragment in named] == [0, 1]
    assert all(fragment["function"]["arguments"] == "" for fragment in named)
    assert len(fragments) > 4
    assert [fragment["index"] for fragment in fragments] == sorted(
        fragment["index"] for fragment in fragments
    )


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
async def test_padding_is_left_out_on_request(upstream, dialect):
    assert any("obfuscation" in data for _, data in await events_of(upstream, dialect))
    options = {"include_obfuscation": False}
    assert not any(
        "obfuscation" in data for _, data in await events_of(upstream, dialect, stream_options=options)
    )


async def test_responses_numbers_every_event_and_names_it_twice(upstream):
    events = await events_of(upstream, "openai_responses")
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    assert all(name == data["type"] for name, data in events)
    kinds = [name for name, _ in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert "usage" in events[-1][1]["response"]


async def test_responses_opens_and_closes_one_item_after_the_other(upstream):
    events = await events_of(upstream, "openai_responses")
    steps = [
        (name.rpartition(".")[2], data["output_index"], data["item"]["type"])
        for name, data in events
        if name.startswith("response.output_item.")
    ]
    kinds = ["reasoning", "message", "function_call", "function_call"]
    assert steps == [(step, index, kind) for index, kind in enumerate(kinds) for step in ("added", "done")]
    assert [item["type"] for item in events[-1][1]["response"]["output"]] == kinds


async def test_messages_opens_and_closes_one_block_after_the_other(upstream):
    events = await events_of(upstream, "anthropic_messages")
    kinds = [name for name, _ in events]
    assert all(name == data["type"] for name, data in events)
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds[-2:] == ["message_delta", "message_stop"]
    steps = [
        (name, data["index"])
        for name, data in events
        if name in ("content_block_start", "content_block_stop")
    ]
    assert steps == [(f"content_block_{step}", index) for index in range(4) for step in ("start", "stop")]
    starts = [data["content_block"]["type"] for name, data in events if name == "content_block_start"]
    assert starts == ["thinking", "text", "tool_use", "tool_use"]


async def test_messages_signs_its_thinking_and_counts_at_both_ends(upstream):
    events = [data for _, data in await events_of(upstream, "anthropic_messages")]
    signed = [e for e in events if e.get("delta", {}).get("type") == "signature_delta"]
    assert [event["index"] for event in signed] == [0]
    assert events[0]["message"]["usage"]["output_tokens"] == 1
    assert events[-2]["usage"]["output_tokens"] > 1
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


async def test_messages_lists_models_in_its_own_form(upstream):
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"anthropic-version": "2023-06-01"}
        listed = (await client.get(f"{upstream.base_url}/models", headers=headers)).json()
    assert {model["type"] for model in listed["data"]} == {"model"}
    assert listed["has_more"] is False


@pytest.mark.parametrize(
    ("dialect", "change"),
    [
        ("openai_chat", {"max_tokens": 0}),
        ("openai_chat", {"tools": "all"}),
        ("openai_responses", {"max_output_tokens": 15}),
        ("openai_responses", {"input": [1]}),
        ("openai_responses", {"previous_response_id": "resp_1"}),
        ("anthropic_messages", {"max_tokens": None}),
        ("anthropic_messages", {"messages": []}),
        (
            "anthropic_messages",
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]}]},
        ),
    ],
)
async def test_what_is_no_request_is_refused_in_the_protocols_words(upstream, dialect, change):
    body = body_of(dialect, asking("hello", "demo")) | change
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{upstream.base_url}/{ADDRESSES[dialect]}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert ("request_id" in answer.json()) == (dialect == "anthropic_messages")
