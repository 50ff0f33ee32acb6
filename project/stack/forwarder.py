"""`python -m project.stack.forwarder`: passes connections on, byte for byte, to a web process that takes them.

For machines without nginx and caddy. It knows no HTTP: whoever opened a connection keeps its process until either ends
it, and then comes back and is sent to one that lives. What is on its way is bounded: a side is read only as far as the
other takes it.
"""

import argparse
import asyncio
import contextlib
import itertools
import signal
import socket
from collections.abc import Coroutine, Sequence
from typing import Any

from project.servers import listening

BUFFER_BYTES = 64 * 1024
CONNECT_SECONDS = 2.0
HEAD_SECONDS = 1.0

AWAY = (
    b"<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=3><title>Just a moment</title><p>The site is \
being started again. This page tries again by itself.</p>"
)
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nRetry-After: 2\r\nCache-Control: no-store\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(AWAY), AWAY)
)


class Forwarder:
    def __init__(self, ports: Sequence[int], *, host: str = "127.0.0.1") -> None:
        self._host = host
        self._ports = ports
        self._first = itertools.cycle(range(len(ports)))

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        try:
            found = await self._open()
            if found is None:
                await _refuse(reader, writer)
                return
            onward_reader, onward_writer = found
            try:
                await _both(_pass(reader, onward_writer), _pass(onward_reader, writer))
            finally:
                onward_writer.transport.abort()
        finally:
            writer.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """To the next process in turn, or to the one after it where that one refuses."""
        first = next(self._first)
        for port in (*self._ports[first:], *self._ports[:first]):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(self._host, port, limit=BUFFER_BYTES)
        return None


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side has no more to say, which the other is told; it may go on talking itself."""
    writer.transport.set_write_buffer_limits(high=BUFFER_BYTES)
    while piece := await reader.read(BUFFER_BYTES):
        writer.write(piece)
        await writer.drain()
    writer.write_eof()


async def _both(there: Coroutine[Any, Any, None], back: Coroutine[Any, Any, None]) -> None:
    """Over when both directions are, or when one is cut."""
    tasks = [asyncio.create_task(there), asyncio.create_task(back)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # The request is read first: closing before that would take the answer back.
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(HEAD_SECONDS):
            await reader.readuntil(b"\r\n\r\n")
    with contextlib.suppress(OSError):
        writer.write(REFUSAL)
        await writer.drain()


async def serve(listener: socket.socket, ports: Sequence[int]) -> None:
    """Until SIGINT or SIGTERM."""
    forwarder = Forwarder(ports)
    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    server = await asyncio.start_server(forwarder.take, sock=listener, limit=BUFFER_BYTES)
    await end.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--to", type=int, action="append", required=True, help="a port of a web process")
    wish = parser.parse_args()
    asyncio.run(serve(listening.bind(wish.host, wish.port), wish.to))


if __name__ == "__main__":
    main()
