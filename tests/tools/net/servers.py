"""Real servers on this machine: one in the place of the outside world, one that nobody may reach."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
OUTSIDE = "127.0.0.2"
"""Stands for a public address: the tests' policy allows it. Everything else on this machine is inside."""


class Server:
    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[web.Request] = []
        self.port = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.handler(request)


@asynccontextmanager
async def serving(
    handler: Handler, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[Server]:
    server = Server(handler)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=tls)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


async def secret(_request: web.Request) -> web.Response:
    return web.Response(text="the inside")


@asynccontextmanager
async def redirecting(status: int, location: str) -> AsyncIterator[str]:
    """The URL of a page outside that leads on to `location`, byte for byte: a proper server would tidy it up."""
    hidden = location.replace("\r", "%0d").replace("\n", "%0a").replace("\t", "%09")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = (
            f"HTTP/1.1 {status} Moved\r\nLocation: {hidden}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, OUTSIDE, 0)
    async with server:
        yield f"http://{OUTSIDE}:{server.sockets[0].getsockname()[1]}/"
