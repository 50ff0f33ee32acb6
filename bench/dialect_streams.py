"""Streams to decode: recorded ones, one of them grown to any length, and made-up ones of the usual shape.

A stream is a list of chunks, one event each, as they arrive from a provider that is not in a hurry.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PROTOCOLS = {"chat": "openai_chat", "responses": "openai_responses", "anthropic": "anthropic_messages"}
MADE_UP_DELTAS = 100
PACKET_BYTES = 1400

Stream = list[bytes]
Parts = tuple[bytes, list[bytes], bytes]
"""How it begins, what may be repeated, how it ends."""


def recorded(dialect: str) -> list[Stream]:
    """Those of this dialect in STREAM_CORPUS_DIR, none where it is not set."""
    folder = os.environ.get("STREAM_CORPUS_DIR", "")
    if not folder:
        return []
    protocol = next(name for name, known in PROTOCOLS.items() if known == dialect)
    return [cut_at_events(path.read_bytes()) for path in sorted(Path(folder).glob(f"*-{protocol}/*.sse"))]


def cut_at_events(body: bytes) -> Stream:
    blocks = body.replace(b"\r\n", b"\n").split(b"\n\n")
    return [block + b"\n\n" for block in blocks if block.strip()]


def in_turn(streams: list[Stream], size_bytes: int) -> list[Stream]:
    """All of them, again and again, until that many bytes are reached."""
    found: list[Stream] = []
    size = 0
    while size < size_bytes:
        found += streams
        size += sum(len(chunk) for stream in streams for chunk in stream)
    return found


def in_packets(stream: Stream) -> Stream:
    """The same bytes, cut without regard to events."""
    body = b"".join(stream)
    return [body[at : at + PACKET_BYTES] for at in range(0, len(body), PACKET_BYTES)]


def grown(stream: Stream, size_bytes: int) -> Stream:
    """One long answer: the events in the middle again and again."""
    first, middle, last = parts_of(stream)
    return repeated((first, middle, last), size_bytes)


def parts_of(stream: Stream) -> Parts:
    """The middle is the longest run of events that look alike: those of one kind of delta."""
    kinds = [_kind(chunk) for chunk in stream]
    start = end = 0
    at = 0
    while at < len(kinds):
        after = at
        while after < len(kinds) and kinds[after] == kinds[at]:
            after += 1
        if after - at > end - start:
            start, end = at, after
        at = after
    return b"".join(stream[:start]), stream[start:end], b"".join(stream[end:])


def repeated(parts: Parts, size_bytes: int) -> Stream:
    first, middle, last = parts
    times = max(1, size_bytes // sum(map(len, middle)))
    return [first, *middle * times, last]


def _kind(chunk: bytes) -> str:
    """What an event is, roughly: its type, or the names of what a chat chunk says."""
    data = chunk.partition(b"data: ")[2]
    try:
        event = json.loads(data)
    except ValueError:
        return ""
    if not isinstance(event, dict):
        return ""
    if "type" in event:
        return f"{event['type']} {event.get('delta', {}).get('type') if isinstance(event.get('delta'), dict) else ''}"
    choices = event.get("choices") or [{}]
    delta = choices[0].get("delta") or {}
    said = sorted(name for name, value in delta.items() if value and name != "role")
    return f"{said} {choices[0].get('finish_reason')}"


# --- made up ----------------------------------------------------------------------------------------


def made_up(dialect: str) -> Parts:
    return MADE_UP[dialect]()


def _event(value: dict[str, Any], named: bool) -> bytes:
    name = f"event: {value['type']}\n" if named else ""
    return f"{name}data: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


def _openai_chat() -> Parts:
    common = {
        "id": "chatcmpl-Bx7ZbqY1jvQk8fP0aS3dL",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": "gpt-4.1-2026-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_51e1070cf2",
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**common, "choices": [choice], "usage": None, "obfuscation": "a8Xk2"}, named=False)

    return (
        chunk({"role": "assistant", "content": ""}),
        [chunk({"content": word}) for word in _words()],
        chunk({}, "stop") + b"data: [DONE]\n\n",
    )


def _openai_responses() -> Parts:
    place = {"item_id": "msg_68a1f0c8", "output_index": 0, "content_index": 0}
    response = {"id": "resp_68a1", "object": "response", "model": "gpt-4.1", "output": []}

    def named(value: dict[str, Any]) -> bytes:
        return _event(value, named=True)

    kind = "response.output_text.delta"
    deltas = (
        {"type": kind, "sequence_number": i, **place, "delta": word, "logprobs": [], "obfuscation": "k2"}
        for i, word in enumerate(_words())
    )
    return (
        named({"type": "response.created", "response": {**response, "status": "in_progress"}}),
        [named(delta) for delta in deltas],
        named({"type": "response.completed", "response": {**response, "status": "completed"}}),
    )


def _anthropic_messages() -> Parts:
    message = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude", "content": []}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}

    def joined(*values: dict[str, Any]) -> bytes:
        return b"".join(_event(value, named=True) for value in values)

    def delta(word: str) -> bytes:
        said = {"type": "text_delta", "text": word}
        return joined({"type": "content_block_delta", "index": 0, "delta": said})

    return (
        joined({"type": "message_start", "message": message}, block),
        [delta(word) for word in _words()],
        joined({"type": "content_block_stop", "index": 0}, end, {"type": "message_stop"}),
    )


def _words() -> Iterator[str]:
    return (f"w{number} " for number in range(MADE_UP_DELTAS))


MADE_UP = {
    "openai_chat": _openai_chat,
    "openai_responses": _openai_responses,
    "anthropic_messages": _anthropic_messages,
}


def bytes_in(streams: Iterable[Stream]) -> int:
    return sum(len(chunk) for stream in streams for chunk in stream)
