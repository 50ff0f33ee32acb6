"""A provider as lean as Python allows: raw protocol on uvloop, Chat Completions, streamed only.

    python -m bench.upstream --port 9100

The model's name is the load, `stamp-n<deltas>-r<deltas a second, 0 = at once>`; each delta is a send-time stamp.
One delta is one SSE event in one HTTP chunk in one write. `GET /stats` tells what was open, sent and cut.
"""

import argparse
import asyncio
import json
import re
from typing import cast

import uvloop

from bench.stamps import now_us, stamp

MODEL = re.compile(r"stamp-n(\d+)-r(\d+)")
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
BATCH = 32
PLACE = "....."


class Figures:
    def __init__(self) -> None:
        self.open = 0
        self.answers = 0
        self.deltas = 0
        self.cuts = 0
        self.last_cut_us = 0
        self.latest_us = 0
        """By how much the tardiest delta since the last look was behind its time."""


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(facts: dict[str, object]) -> bytes:
    return chunk(b"data: " + json.dumps(facts, separators=(",", ":")).encode() + b"\n\n")


class Answer:
    def __init__(
        self, connection: "Connection", model: str, count: int, per_second: int, usage: bool
    ) -> None:
        self.connection, self.count, self.per_second = connection, count, per_second
        self.sent = 0
        self.waits_for_room = False
        self.loop = asyncio.get_running_loop()
        self.started = self.loop.time()
        head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": model}

        def choice(delta: dict[str, str], finish: str | None = None) -> bytes:
            choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
            return event({**head, "choices": choices})

        self.before, self.after = choice({"content": PLACE + " "}).split((PLACE + " ").encode())
        figures = {"prompt_tokens": 8, "completion_tokens": count, "total_tokens": count + 8}
        last = event({**head, "choices": [], "usage": figures}) if usage else b""
        self.tail = choice({}, "stop") + last + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        connection.transport.write(STREAM_HEAD + choice({"role": "assistant", "content": ""}))
        self.go_on()

    def go_on(self) -> None:
        connection = self.connection
        self.waits_for_room = connection.paused
        if connection.lost or self.waits_for_room:
            return
        due = self.count
        if self.per_second:
            elapsed = self.loop.time() - self.started
            due = min(self.count, int(elapsed * self.per_second + 1e-6) + 1)
            late_us = int((elapsed - self.sent / self.per_second) * 1e6)
            connection.figures.latest_us = max(connection.figures.latest_us, late_us)
        until = min(due, self.sent + BATCH)
        while self.sent < until:
            connection.transport.write(self.before + stamp(now_us()) + self.after)
            self.sent += 1
            connection.figures.deltas += 1
        if self.sent == self.count:
            connection.transport.write(self.tail)
            connection.answered()
        elif self.sent < due or not self.per_second:
            self.loop.call_soon(self.go_on)
        else:
            self.loop.call_at(self.started + self.sent / self.per_second, self.go_on)


class Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self.buffer = b""
        self.answer: Answer | None = None
        self.lost = self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self.answer is not None:
            self.figures.open -= 1
            self.figures.cuts += 1
            self.figures.last_cut_us = now_us()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.answer is not None and self.answer.waits_for_room:
            self.answer.go_on()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.next_request()

    def answered(self) -> None:
        self.answer = None
        self.figures.open -= 1
        asyncio.get_running_loop().call_soon(self.next_request)

    def next_request(self) -> None:
        if self.answer is not None or self.lost:
            return
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        length = CONTENT_LENGTH.search(head)
        size = int(length[1]) if length else 0
        if not found or len(rest) < size:
            return
        body, self.buffer = rest[:size], rest[size:]
        path = head.split(b" ", 2)[1]
        if path.endswith(b"/chat/completions"):
            self.start_answer(json.loads(body))
        elif path == b"/stats":
            self.reply({**vars(self.figures), "now_us": now_us()})
            self.figures.latest_us = 0
        else:
            self.reply({"object": "list", "data": []})

    def start_answer(self, request: dict[str, object]) -> None:
        match = MODEL.search(str(request["model"]))
        if match is None or not request.get("stream"):
            self.reply({"error": {"message": "only streamed stamp-n…-r… models"}}, b"400 Bad Request")
            return
        self.figures.open += 1
        self.figures.answers += 1
        usage = "include_usage" in json.dumps(request.get("stream_options"))
        answer = Answer(self, str(request["model"]), int(match[1]), int(match[2]), usage)
        if answer.sent < answer.count:
            self.answer = answer

    def reply(self, facts: object, status: bytes = b"200 OK") -> None:
        body = json.dumps(facts).encode()
        self.transport.write(
            b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
            % (status, len(body), body)
        )


async def serve(port: int) -> None:
    figures = Figures()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(figures), "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
