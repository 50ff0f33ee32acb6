"""What decoding costs: microseconds for each delta, one small event a chunk.

    python bench/dialects.py [--dialect openai_chat] [--megabytes 10] [FILE]

FILE is a recorded stream; without one, a synthetic stream of the usual shape is made. The events between
the first and the last are repeated up to the size wanted. Stands alone: no server, no settings.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chat.llm.dialects.registry import DIALECTS


def event(value: dict[str, Any], named: bool) -> bytes:
    name = f"event: {value['type']}\n" if named else ""
    return f"{name}data: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


def openai_chat() -> tuple[bytes, bytes, bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        common = {
            "id": "chatcmpl-Bx7ZbqY1jvQk8fP0aS3dL",
            "object": "chat.completion.chunk",
            "created": 1760000000,
        }
        more = {
            "model": "gpt-4.1-2026-04-14",
            "service_tier": "default",
            "system_fingerprint": "fp_51e1070cf2",
        }
        return event(
            {**common, **more, "choices": [choice], "usage": None, "obfuscation": "a8Xk2"}, named=False
        )

    return (
        chunk({"role": "assistant", "content": ""}),
        b"".join(chunk({"content": f"w{i} "}) for i in range(100)),
        chunk({}, "stop") + b"data: [DONE]\n\n",
    )


def openai_responses() -> tuple[bytes, bytes, bytes]:
    base = {
        "item_id": "msg_68a1f0c8",
        "output_index": 0,
        "content_index": 0,
        "logprobs": [],
        "obfuscation": "k2",
    }
    response = {"id": "resp_68a1", "object": "response", "model": "gpt-4.1", "output": []}
    deltas = (
        event(
            {"type": "response.output_text.delta", "sequence_number": i, "delta": f"w{i} ", **base},
            named=True,
        )
        for i in range(100)
    )
    return (
        event({"type": "response.created", "response": {**response, "status": "in_progress"}}, named=True),
        b"".join(deltas),
        event({"type": "response.completed", "response": {**response, "status": "completed"}}, named=True),
    )


def anthropic_messages() -> tuple[bytes, bytes, bytes]:
    message = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude", "content": []}
    delta = "content_block_delta"
    deltas = (
        event({"type": delta, "index": 0, "delta": {"type": "text_delta", "text": f"w{i} "}}, named=True)
        for i in range(100)
    )
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    return (
        event({"type": "message_start", "message": message}, named=True) + event(block, named=True),
        b"".join(deltas),
        event({"type": "content_block_stop", "index": 0}, named=True)
        + event(end, named=True)
        + event({"type": "message_stop"}, named=True),
    )


TEMPLATES = {f.__name__: f for f in (openai_chat, openai_responses, anthropic_messages)}


def events_of(first: bytes, middle: bytes, last: bytes, size_bytes: int) -> list[bytes]:
    repeated = [block + b"\n\n" for block in middle.split(b"\n\n") if block.strip()]
    times = max(1, size_bytes // max(1, len(middle)))
    return [first, *repeated * times, last]


def from_file(path: Path, size_bytes: int) -> list[bytes]:
    blocks = [b + b"\n\n" for b in path.read_bytes().replace(b"\r\n", b"\n").split(b"\n\n") if b.strip()]
    body = b"".join(blocks[1:-3]) or blocks[0]
    return events_of(blocks[0], body, b"".join(blocks[-3:]), size_bytes)


def measure(dialect: str, chunks: list[bytes]) -> tuple[float, int]:
    decoder = DIALECTS[dialect].decoder()
    deltas = 0
    started = time.process_time()
    for chunk in chunks:
        deltas += len(decoder.feed(chunk))
    deltas += len(decoder.close())
    return time.process_time() - started, deltas


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--dialect", choices=sorted(DIALECTS))
    parser.add_argument("--megabytes", type=float, default=10)
    arguments = parser.parse_args()
    size_bytes = int(arguments.megabytes * 1e6)
    print(f"{'dialect':<20}{'MB':>8}{'deltas':>10}{'us/delta':>10}{'MB/s':>8}")
    for dialect in [arguments.dialect] if arguments.dialect else sorted(DIALECTS):
        if arguments.file:
            chunks = from_file(arguments.file, size_bytes)
        else:
            chunks = events_of(*TEMPLATES[dialect](), size_bytes)
        seconds, deltas = min(measure(dialect, chunks) for _ in range(3))
        megabytes = sum(map(len, chunks)) / 1e6
        print(
            f"{dialect:<20}{megabytes:>8.1f}{deltas:>10}{seconds / deltas * 1e6:>10.2f}{megabytes / seconds:>8.0f}"
        )


if __name__ == "__main__":
    main()
