"""How a client talks to each thing that is measured: the upstream itself, the bare relay, our server.

A line carries one answer at a time: `await open()`, `start(model)` gives a future that ends with the answer (or raises
`AnswerFailed`), `stop()` asks for its end. Ages of deltas go to the `ages_us` given, as (arrived at, age).
"""

import asyncio
import uuid
from typing import Protocol, cast

import httptools
import msgspec

from bench.stamps import StampReader, now_us
from bench.websocket import WebSocket, open_websocket

Ages = list[tuple[int, int]]
ACK_EVERY_EVENTS = 64
encode = msgspec.json.Encoder().encode


class AnswerFailed(Exception):
    pass


class Line(Protocol):
    reader: StampReader

    async def open(self) -> None: ...

    def start(self, model: str) -> "asyncio.Future[str]": ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


class Base:
    def __init__(self, port: int, ages_us: Ages, headers: dict[str, str] | None = None) -> None:
        self.port, self.ages_us, self.headers = port, ages_us, headers or {}
        self.reader = StampReader()
        self.end: asyncio.Future[str] | None = None

    def begin(self) -> "asyncio.Future[str]":
        self.reader = StampReader()
        self.end = asyncio.get_running_loop().create_future()
        return self.end

    def finished(self, status: str) -> None:
        if self.end is not None and not self.end.done():
            self.end.set_result(status)

    def failed(self, why: str) -> None:
        if self.end is not None and not self.end.done():
            self.end.set_exception(AnswerFailed(why))

    def text(self, text: str, at_us: int) -> None:
        self.reader.feed(text, at_us, self.ages_us)


class RelayFrame(msgspec.Struct):
    c: str = ""
    done: bool = False


class RelayLine(Base):
    socket: WebSocket
    decode = staticmethod(msgspec.json.Decoder(RelayFrame).decode)

    async def open(self) -> None:
        self.socket = await open_websocket(self.port, "/ws/", self.headers, self.on_text, self.failed)

    def on_text(self, payload: bytes) -> None:
        frame = self.decode(payload)
        if frame.done:
            self.finished("completed")
        else:
            self.text(frame.c, now_us())

    def start(self, model: str) -> "asyncio.Future[str]":
        end = self.begin()
        self.socket.send(encode({"model": model}))
        return end

    def stop(self) -> None:
        self.socket.send(b'{"stop":true}')

    def close(self) -> None:
        self.socket.close()


class AppEvent(msgspec.Struct):
    type: str
    text: str = ""
    status: str = ""
    error: msgspec.Raw = msgspec.Raw(b"")


class AppFrame(msgspec.Struct):
    type: str
    run: str = ""
    cursor: str = ""
    event: AppEvent | None = None
    ref: str | None = None
    ok: bool = True
    error: msgspec.Raw = msgspec.Raw(b"")


class AppLine(Base):
    """`/ws/chat/` as a browser's tab uses it: `run.start`, events, an `ack` now and then."""

    socket: WebSocket
    decode = staticmethod(msgspec.json.Decoder(AppFrame).decode)

    async def open(self) -> None:
        self.run = ""
        self.unacked = 0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.socket = await open_websocket(self.port, "/ws/chat/", self.headers, self.on_text, self.lost)
        await asyncio.wait_for(self.ready, 20)

    def lost(self, why: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))
        self.failed(why)

    def on_text(self, payload: bytes) -> None:
        at_us = now_us()
        frame = self.decode(payload)
        if frame.type == "event" and frame.event is not None:
            self.on_event(frame, frame.event, at_us)
        elif frame.type == "ready":
            self.ready.set_result(None)
        elif frame.type == "reply" and not frame.ok:
            self.failed(bytes(frame.error).decode())

    def on_event(self, frame: AppFrame, event: AppEvent, at_us: int) -> None:
        self.run = frame.run
        if event.type == "text.delta":
            self.text(event.text, at_us)
        elif event.type in ("run.snapshot", "step.reset"):
            self.failed(f"{event.type} in an undisturbed run")
        self.unacked += 1
        ended = event.type == "run.finished"
        if self.unacked >= ACK_EVERY_EVENTS or ended:
            self.unacked = 0
            self.socket.send(encode({"type": "ack", "run": frame.run, "cursor": frame.cursor}))
        if ended and event.status in ("completed", "stopped"):
            self.finished(event.status)
        elif ended:
            self.failed(f"{event.status}: {bytes(event.error).decode()}")

    def start(self, model: str) -> "asyncio.Future[str]":
        end = self.begin()
        command = {
            "type": "run.start",
            "ref": "1",
            "key": str(uuid.uuid4()),
            "conversation": None,
            "parent": None,
            "content": [{"type": "text", "text": "Say something."}],
            "models": [model],
        }
        self.socket.send(encode(command))
        return end

    def stop(self) -> None:
        self.socket.send(encode({"type": "run.stop", "ref": "2", "run": self.run}))

    def close(self) -> None:
        self.socket.close()


class DirectLine(Base, asyncio.Protocol):
    """The upstream without anything between: what the harness itself costs."""

    transport: asyncio.Transport
    rest: bytes
    decode = staticmethod(msgspec.json.Decoder(dict[str, msgspec.Raw]).decode)
    choices = staticmethod(msgspec.json.Decoder(list[dict[str, object]]).decode)

    async def open(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.failed("the connection was lost")

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        at_us = now_us()
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                for choice in self.choices(self.decode(line[6:])["choices"]):
                    delta = cast(dict[str, str], choice["delta"])
                    self.text(delta.get("content", ""), at_us)

    def on_message_complete(self) -> None:
        self.finished("completed")

    def start(self, model: str) -> "asyncio.Future[str]":
        end = self.begin()
        self.parser = httptools.HttpResponseParser(self)
        self.rest = b""
        body = encode(
            {"model": model, "stream": True, "messages": [{"role": "user", "content": "Say something."}]}
        )
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)
        return end

    def stop(self) -> None:
        self.transport.abort()

    def close(self) -> None:
        self.transport.close()


LINES: dict[str, type[RelayLine] | type[AppLine] | type[DirectLine]] = {
    "relay": RelayLine,
    "app": AppLine,
    "direct": DirectLine,
}
