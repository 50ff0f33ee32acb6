"""A provider at the wire: a real HTTP server that plays what a test has written for it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Play = Callable[["Answering"], Awaitable[None]]


def chunk(content: str | None = None, *, finish: str | None = None, **more: Any) -> bytes:
    """One `chat.completion.chunk` as an SSE event."""
    delta = {} if content is None else {"content": content}
    body = {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def usage(prompt: int, completion: int) -> bytes:
    figures = {"prompt_tokens": prompt, "completion_tokens": completion}
    return b"data: " + json.dumps({"choices": [], "usage": figures}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


class Answering:
    """One request being answered."""

    def __init__(self, request: web.Request, body: dict[str, Any]) -> None:
        self.request = request
        self.body = body
        self.response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "x-request-id": "req-7"}
        )

    async def say(self, *texts: str) -> None:
        for text in texts:
            await self.send(chunk(text))

    async def send(self, data: bytes) -> None:
        if not self.response.prepared:
            await self.response.prepare(self.request)
        await self.response.write(data)

    async def end(self, *, finish: str = "stop", prompt: int = 8, completion: int = 5) -> None:
        await self.send(chunk(finish=finish) + usage(prompt, completion) + DONE)

    def cut(self) -> None:
        """Breaks the line as a dying server does."""
        assert self.request.transport is not None
        self.request.transport.abort()

    async def wait_for_hang_up(self) -> None:
        """Silent until the other side closes the line."""
        while self.request.transport is not None and not self.request.transport.is_closing():
            await asyncio.sleep(0.002)


class FakeUpstream:
    """`play` decides what happens to each request; `requests` are their bodies, `closed_at` monotonic times."""

    def __init__(self) -> None:
        self.play: Play = self.say_hello
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.closed_at: list[float] = []
        self.base_url = ""

    async def say_hello(self, answer: Answering) -> None:
        await answer.say("Hel", "lo")
        await answer.end()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        answer = Answering(request, body)
        try:
            await self.play(answer)
        except (ConnectionResetError, asyncio.CancelledError):
            pass
        finally:
            self.closed_at.append(time.monotonic())
        return answer.response

    def refuse(self, status: int, body: Any, **headers: str) -> None:
        """From now on, every request is refused."""

        async def play(answer: Answering) -> None:
            text = body if isinstance(body, str) else json.dumps(body)
            answer.response = web.Response(
                status=status, text=text, content_type="application/json", headers=headers
            )

        self.play = play


@asynccontextmanager
async def fake_upstream() -> AsyncIterator[FakeUpstream]:
    fake = FakeUpstream()
    app = web.Application()
    for path in ("/v1/chat/completions", "/v1/messages"):
        app.router.add_post(path, fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.base_url = f"http://{host}:{port}/v1"
    try:
        yield fake
    finally:
        await runner.cleanup()
