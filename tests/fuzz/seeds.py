"""Where fuzzing begins: streams written by hand, found inputs, and recorded ones where there are some."""

import gzip
import json
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.spoiling import events_of
from tests.llm.wire import DONE, chunk, event

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
FOUND = FIXTURES / "fuzz"
"""Inputs that once broke a promise, a folder for each target."""

SEED_BYTES = 3000
PROTOCOLS = {"openai_chat": "chat", "openai_responses": "responses", "anthropic_messages": "anthropic"}

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
ERRORS = [
    {
        "error": {
            "message": "Rate limit reached",
            "type": "requests",
            "code": "rate_limit_exceeded",
            "param": None,
        }
    },
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"},
    {"error": {"message": "x", "code": 400, "metadata": {"raw": "y", "provider_name": "z"}}},
    {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "28s"}]}},
    {"detail": [{"loc": ["body", "store"], "msg": "Extra inputs are not permitted", "type": "extra"}]},
    {"object": "error", "message": "m", "code": 40303},
    {"errors": [{"message": "m"}]},
]


def seeds_of(target: str) -> Iterator[bytes]:
    """Small bodies for that target; the longer recordings are thinned out."""
    bodies = [
        b"".join(stream) for name, stream in STREAMS.items() if target in (name, "sse", "replay", "inflate")
    ]
    if target in ("read_error", "replay"):
        bodies += [json.dumps(error).encode() for error in ERRORS]
        bodies += [b"7\n" + json.dumps(error).encode() for error in ERRORS]
        bodies += [b"Fri, 20 Nov 2026 13:00:00 GMT\n<html>", b"upstream connect error"]
    bodies += _recorded(target)
    bodies += [path.read_bytes() for path in sorted((FOUND / target).glob("*"))]
    for body in bodies:
        yield from _compressed(body) if target == "inflate" else (_thinned(body),)


def words_of(target: str) -> set[str]:
    """The names and short texts in the seeds: what a fuzzer would take long to spell."""
    found: set[str] = set()
    for body in seeds_of(target):
        found.update(re.findall(r'"([A-Za-z_.\[\]]{2,40})"', body.decode("utf-8", "replace")))
    return found


def _recorded(target: str) -> list[bytes]:
    folder = os.environ.get("STREAM_CORPUS_DIR", "")
    if not folder:
        return []
    if target == "read_error":
        return [
            json.loads(path.read_text())["body"].encode()
            for path in sorted(Path(folder).glob("*/*.http.json"))
        ]
    protocol = PROTOCOLS.get(target, "*")
    return [path.read_bytes() for path in sorted(Path(folder).glob(f"*-{protocol}/*.sse"))]


def _thinned(body: bytes) -> bytes:
    """Its first and last events, as many as fit."""
    if len(body) <= SEED_BYTES:
        return body
    first: list[bytes] = []
    last: list[bytes] = []
    events = events_of(body.replace(b"\r\n", b"\n"))
    left = SEED_BYTES
    while events and left >= len(events[0]):
        first.append(events.pop(0))
        left -= len(first[-1])
        if events and left >= len(events[-1]):
            last.insert(0, events.pop())
            left -= len(last[0])
    return b"".join(first + last) or body[:SEED_BYTES]


def _compressed(body: bytes) -> Iterator[bytes]:
    yield gzip.compress(body[:SEED_BYTES], mtime=0)
    yield zlib.compress(body[:SEED_BYTES])
