"""Hostile streams: whatever a provider sends, an answer ends once, in order, in text fit for storage."""

import json
import random
from typing import Any

import msgspec
import pytest

from chat.llm.deltas import Failed
from tests.llm.wire import DONE, check_order, chunk, comparable, dialect, event, read

ROUNDS = 400
JUNK = '[null, true, 7, -1, 1.5, "", "x", "\\ud83d", "\\u0000", [], {}, [1], [{}], {"a": 1}, 1e30, "stop", [[["x"]]]]'
NOISE = [
    b"data: [DONE]",
    b"data:",
    b": x",
    b"error: {}",
    b"data: null",
    b"event: error\ndata: 1",
    b"data: {oops",
    b"<",
]

CHAT = [
    chunk({"role": "assistant", "content": ""}),
    chunk(
        {
            "reasoning_content": "hm",
            "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}],
        }
    ),
    chunk(
        {"content": "Grüße", "annotations": [{"type": "url_citation", "url_citation": {"url": "https://a"}}]}
    ),
    chunk({"content": [{"type": "text", "text": "a"}, {"type": "thinking", "thinking": "b"}]}),
    chunk({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": '{"a"'}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}], "function_call": {"name": "g"}}),
    chunk({}, "tool_calls", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}),
    DONE,
]

CALL = {"type": "function_call", "call_id": "x", "name": "f", "arguments": "{}"}
TEXT = {
    "type": "message",
    "content": [{"type": "output_text", "text": "ab", "annotations": [{"url": "https://a"}]}],
}
THOUGHT = {"type": "reasoning", "summary": [{"text": "s"}], "encrypted_content": "e"}
RESPONSES = [
    event({"type": "response.created", "response": {"id": "r", "model": "m"}}),
    event({"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "s"}),
    event({"type": "response.output_item.done", "output_index": 0, "item": THOUGHT}),
    event({"type": "response.output_text.delta", "output_index": 1, "delta": "a"}),
    event({"type": "response.output_text.done", "output_index": 1, "text": "ab"}),
    event({"type": "response.output_item.added", "output_index": 2, "item": {**CALL, "arguments": ""}}),
    event({"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{}"}),
    event(
        {"type": "response.completed", "response": {"status": "completed", "output": [THOUGHT, TEXT, CALL]}}
    ),
]

MESSAGES = [
    event(
        {
            "type": "message_start",
            "message": {"id": "m", "model": "m", "content": [], "usage": {"input_tokens": 1}},
        }
    ),
    event({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
    event(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}}
    ),
    event({"type": "content_block_stop", "index": 0}),
    event({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "a"}}),
    event(
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "x", "name": "f"},
        }
    ),
    event(
        {
            "type": "content_block_delta",
            "index": 2,
            "delta": {"type": "input_json_delta", "partial_json": "{}"},
        }
    ),
    event({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}}),
    event({"type": "message_stop"}),
]

STREAMS = {"openai_chat": CHAT, "openai_responses": RESPONSES, "anthropic_messages": MESSAGES}


def spoiled(value: Any, dice: random.Random) -> Any:
    """A JSON value with something in it replaced, dropped or doubled."""
    junk = json.loads(JUNK)
    if isinstance(value, dict) and value:
        name = dice.choice(list(value))
        fate = dice.random()
        if fate < 0.1:
            return {key: item for key, item in value.items() if key != name}
        return {**value, name: dice.choice(junk) if fate < 0.3 else spoiled(value[name], dice)}
    if isinstance(value, list) and value:
        at = dice.randrange(len(value))
        return [*value[:at], spoiled(value[at], dice), *value[at + dice.randrange(2) :]]
    return dice.choice(junk) if dice.random() < 0.5 else value


def with_spoiled_json(raw: bytes, dice: random.Random) -> bytes:
    try:
        return event(spoiled(json.loads(raw.removeprefix(b"data: ")), dice))
    except ValueError:
        return raw


def hostile(stream: list[bytes], dice: random.Random) -> bytes:
    events = list(stream)
    for _ in range(dice.randrange(1, 5)):
        at = dice.randrange(len(events))
        fate = dice.randrange(8)
        if fate < 4:
            events[at] = with_spoiled_json(events[at], dice)
        elif fate < 5:
            events.insert(at, dice.choice(NOISE) + b"\n\n")
        elif fate < 6:
            events.insert(dice.randrange(len(events)), events[at])
        elif fate < 7 and len(events) > 1:
            del events[at]
        else:
            raw = bytearray(events[at])
            raw[dice.randrange(len(raw))] = dice.randrange(256)
            events[at] = bytes(raw)
    return b"".join(events)


def check_text(value: Any) -> None:
    """Every string can be stored as UTF-8 in PostgreSQL."""
    if isinstance(value, str):
        assert "\x00" not in value
        value.encode()
    elif isinstance(value, dict):
        for name, item in value.items():
            check_text(name)
            check_text(item)
    elif isinstance(value, list | tuple):
        for item in value:
            check_text(item)


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_hostile_streams_end_once_and_in_order(name: str):
    dice = random.Random(name)  # noqa: S311  the same streams in every run
    for _ in range(ROUNDS):
        body = hostile(STREAMS[name], dice)
        deltas = read(dialect(name).decoder(), [body])
        if name != "openai_responses":  # there, whole arguments may contradict their fragments
            check_order(deltas)
        for delta in deltas:
            if isinstance(delta, Failed):
                check_text([str(delta.error), delta.error.detail, delta.error.upstream_code])
            else:
                check_text(list(msgspec.structs.asdict(delta).values()))
        size = dice.choice([1, 3, 17, 200])
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        assert comparable(read(dialect(name).decoder(), pieces)) == comparable(deltas)
