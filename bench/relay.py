"""The bare relay: a Channels consumer that passes an upstream's deltas on, and nothing else.

It stores, numbers, prices and filters nothing; it is the floor our server is compared with. In: `{"model": "…"}` or
`{"stop": true}`; out: `{"c": "text"}` for each delta, then `{"done": true}`. `BENCH_UPSTREAM` is `host:port`.

    python -m daphne bench.relay:application     or     python -m uvicorn bench.relay:application
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator

import django
import httptools
import msgspec
from django.conf import settings

settings.configure(SECRET_KEY="bench", ALLOWED_HOSTS=["*"], INSTALLED_APPS=["channels"], USE_TZ=True)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

HOST, _, PORT = os.environ.get("BENCH_UPSTREAM", "127.0.0.1:9100").partition(":")
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
idle: list[Pair] = []


class Delta(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    delta: Delta


class Chunk(msgspec.Struct):
    choices: list[Choice]


class Frame(msgspec.Struct):
    c: str


decode = msgspec.json.Decoder(Chunk).decode
encode = msgspec.json.Encoder().encode


class Body:
    """httptools' callbacks: the pieces of the body, and whether it is whole."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.whole = False

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        self.whole = True

    def take(self) -> bytes:
        data = b"".join(self.pieces)
        self.pieces.clear()
        return data


async def answer(model: str) -> AsyncIterator[str]:
    reader, writer = idle.pop() if idle else await asyncio.open_connection(HOST, int(PORT))
    try:
        await ask(writer, model)
        body = Body()
        parser = httptools.HttpResponseParser(body)
        rest = b""
        while not body.whole:
            data = await reader.read(65_536)
            if not data:
                raise ConnectionError("the upstream closed")
            parser.feed_data(data)
            *lines, rest = (rest + body.take()).split(b"\n")
            for line in lines:
                if line.startswith(b"data: {") and (choices := decode(line[6:]).choices):
                    text = choices[0].delta.content
                    if text:
                        yield text
    except BaseException:
        writer.transport.abort()
        raise
    idle.append((reader, writer))


async def ask(writer: asyncio.StreamWriter, model: str) -> None:
    messages = [{"role": "user", "content": "Say something."}]
    request = encode({"model": model, "stream": True, "messages": messages})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(request)}\r\n\r\n".encode() + request)


class Relay(AsyncWebsocketConsumer):
    task: asyncio.Task[None] | None = None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        command = json.loads(text_data or "{}")
        if "model" in command:
            self.task = asyncio.create_task(self.relay(command["model"]))
        elif self.task is not None:
            self.task.cancel()

    async def relay(self, model: str) -> None:
        source = answer(model)
        try:
            async for text in source:
                await self.send(encode(Frame(text)).decode())
        except asyncio.CancelledError:
            pass
        finally:
            await source.aclose()
        await self.send('{"done":true}')

    async def disconnect(self, code: int) -> None:
        if self.task is not None:
            self.task.cancel()


application = ProtocolTypeRouter({"websocket": URLRouter([path("ws/", Relay.as_asgi())])})
