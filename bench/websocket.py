"""A WebSocket client (RFC 6455, no extensions) that costs next to nothing, so that the load is the server's."""

import asyncio
import base64
import os
import struct
from collections.abc import Callable, Mapping
from typing import cast

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
OPEN_SECONDS = 20


class WebSocket(asyncio.Protocol):
    """`on_text` gets each message's bytes; `on_lost` a sentence, once, when the connection is gone."""

    transport: asyncio.Transport

    def __init__(
        self, request: bytes, on_text: Callable[[bytes], None], on_lost: Callable[[str], None]
    ) -> None:
        self.request, self.on_text, self.on_lost = request, on_text, on_lost
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.fragments = b""
        self.reason = "the connection was lost"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(
                ConnectionError(f"{self.reason} before it was open: {self.buffer[:200]!r}")
            )
        self.on_lost(self.reason)

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        if not self.opened.done() and not self.handshake():
            return
        self.frames()

    def handshake(self) -> bool:
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        status = head.partition(b"\r\n")[0]
        if b" 101 " not in status:
            self.opened.set_exception(ConnectionError(status.decode("latin-1")))
            self.transport.close()
            return False
        self.buffer = rest
        self.opened.set_result(None)
        return True

    def frames(self) -> None:
        data, position, end = self.buffer, 0, len(self.buffer)
        while end - position >= 2:
            size, start = data[position + 1], position + 2
            if size == 126:
                if end - start < 2:
                    break
                (size,) = struct.unpack_from("!H", data, start)
                start += 2
            elif size == 127:
                if end - start < 8:
                    break
                (size,) = struct.unpack_from("!Q", data, start)
                start += 8
            if end - start < size:
                break
            self.frame(data[position], data[start : start + size])
            position = start + size
        self.buffer = data[position:]

    def frame(self, first: int, payload: bytes) -> None:
        final, code = first & 128, first & 15
        if code == PING:
            self.send(payload, PONG)
        elif code == CLOSE:
            number = struct.unpack_from("!H", payload)[0] if len(payload) >= 2 else 1005
            self.reason = f"the server closed with {number} {payload[2:].decode()}"
            self.send(payload[:2], CLOSE)
            self.transport.close()
        elif final and code == TEXT:
            self.on_text(payload)
        elif code != PONG:
            self.fragments += payload
            if final:
                whole, self.fragments = self.fragments, b""
                self.on_text(whole)

    def send(self, payload: bytes, code: int = TEXT) -> None:
        """Masked with zeros: legal, and no work."""
        size = len(payload)
        short = size < 126
        head = bytes((128 | code, 128 | size)) if short else struct.pack("!BBH", 128 | code, 254, size)
        self.transport.write(head + b"\0\0\0\0" + payload)

    def close(self) -> None:
        self.transport.close()


async def open_websocket(
    port: int,
    path: str,
    headers: Mapping[str, str],
    on_text: Callable[[bytes], None],
    on_lost: Callable[[str], None],
) -> WebSocket:
    host = f"127.0.0.1:{port}"
    lines = {
        "Host": host,
        "Origin": f"http://{host}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    request = f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(lambda: WebSocket(request, on_text, on_lost), "127.0.0.1", port)
    await asyncio.wait_for(socket.opened, OPEN_SECONDS)
    return socket
