"""Whether a part answers yet: the smallest question that only a working server answers."""

import asyncio

PATIENCE_SECONDS = 2.0


async def http_answers(
    port: int, *, host: str = "127.0.0.1", path: str = "/readyz", name: str = "localhost"
) -> bool:
    """Any answer but a server's error: one that refuses our Host header is up as well."""
    request = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    line = await _ask(host, port, request.encode())
    return line.startswith(b"HTTP/1.1 ") and not line.startswith(b"HTTP/1.1 5")


async def redis_answers(port: int, password: str) -> bool:
    """Not while it still reads its file: then it says LOADING."""
    said = await _ask("127.0.0.1", port, f"AUTH {password}\r\nPING\r\nQUIT\r\n".encode())
    return said == b"+OK\r\n+PONG\r\n+OK\r\n"


async def _ask(host: str, port: int, question: bytes) -> bytes:
    """The first bytes of the answer; none where there is no answer."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(question)
                await writer.drain()
                answer = b""
                while len(answer) < 4096 and (piece := await reader.read(4096)):
                    answer += piece
                return answer
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
