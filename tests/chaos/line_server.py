"""python -m tests.chaos.line_server BYTES: answers every request with one line of that many bytes. Prints its port.

The path's first step names the kind of line; `GET /sent` tells how many bytes of bodies were taken so far. Raw
asyncio: what a server sends must cost it nothing.
"""

import asyncio
import json
import sys
import zlib
from collections.abc import Iterator

BLOCK = b"x" * 65_536
LINES = (b"data: " + b"x" * 1000 + b"\n") * 65
STREAM, JSON = "text/event-stream", "application/json"
ANSWER = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

HEADS = {
    "well": ("200 OK", STREAM, ""),
    "data": ("200 OK", STREAM, ""),
    "comment": ("200 OK", STREAM, ""),
    "event": ("200 OK", STREAM, ""),
    "allowed": ("200 OK", STREAM, ""),
    "gzip": ("200 OK", STREAM, "Content-Encoding: gzip\r\n"),
    "json": ("200 OK", JSON, ""),
    "error": ("500 Internal Server Error", JSON, ""),
}


def pieces(kind: str, size: int) -> Iterator[bytes]:
    """The body; no line of it ends before its end, but for `event`, whose blank line never comes."""
    if kind == "well":
        yield ANSWER
        return
    if kind == "allowed":
        yield from _allowed()
        return
    if kind == "gzip":
        yield from _compressed(size)
        return
    block = LINES if kind == "event" else BLOCK
    yield {"data": b'data: {"x":"', "comment": b": ", "event": b""}.get(kind, b'{"error":"')
    for _ in range(size // len(block)):
        yield block


def _allowed() -> Iterator[bytes]:
    """One event just under the limit, as a large image has, and then a good end."""
    yield b'data: {"x":"'
    for _ in range(16 * 16 - 2):
        yield BLOCK
    yield b'"}\n\n'
    yield ANSWER


def _compressed(size: int) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    yield packer.compress(b'data: {"x":"')
    for _ in range(size // len(BLOCK)):
        if piece := packer.compress(BLOCK):
            yield piece
    yield packer.flush()


async def main(size: int) -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            kind = request.split(b" ")[1].split(b"/")[1].decode()
            if kind == "sent":
                body = json.dumps({"sent": sent}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            else:
                status, content_type, more = HEADS[kind]
                head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{more}Connection: close\r\n\r\n"
                writer.write(head.encode())
                for piece in pieces(kind, size):
                    writer.write(piece)
                    await writer.drain()
                    sent += len(piece)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
