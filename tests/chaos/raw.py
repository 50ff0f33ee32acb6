"""Sockets without a library between: they can leave everything unread, and send what no library would."""

import base64
import contextlib
import os
import socket
import struct
from collections.abc import Iterator

from tests.live import LiveSite, Person
from tests.project.wire import receive

TEXT, CLOSE, PING, CONTINUED = 1, 8, 9, 0
MASK = bytes(4)
"""Masked with zeros: legal, and no work."""


def raw_socket(person: Person, *, receive_buffer: int = 0, timeout: float = 10) -> socket.socket:
    """Upgraded and signed in; nothing of what the server says has been read beyond the head.

    `receive_buffer`: how much the system may take for a client that does not read.
    """
    line = socket.socket()
    if receive_buffer:
        # Before the connection: its window is told in the first packet.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    line.settimeout(timeout)
    line.connect(("127.0.0.1", person.site.port))
    line.sendall(_request(person.site, person.cookie))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = line.recv(1)
        if not byte:
            raise ConnectionError("the server closed")
        head += byte
    if not head.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(head.decode("latin-1"))
    return line


def _request(site: LiveSite, cookie: str) -> bytes:
    lines = (
        "GET /ws/chat/ HTTP/1.1",
        f"Host: 127.0.0.1:{site.port}",
        f"Origin: {site.url}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        f"Cookie: {cookie}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def frame(payload: bytes, code: int = TEXT, *, final: bool = True) -> bytes:
    first, size = code | (128 if final else 0), len(payload)
    if size < 126:
        head = bytes((first, 128 | size))
    elif size < 65_536:
        head = struct.pack("!BBH", first, 254, size)
    else:
        head = struct.pack("!BBQ", first, 255, size)
    return head + MASK + payload


def frames(line: socket.socket) -> Iterator[tuple[int, bytes]]:
    """What the server says, to the end of the connection: code and payload."""
    with contextlib.suppress(OSError):
        while True:
            yield receive(line)


def closing_code(line: socket.socket) -> int:
    """Reads to the end; 1006 where the connection ends without a word."""
    for code, payload in frames(line):
        if code == CLOSE:
            return int(struct.unpack("!H", payload[:2])[0]) if len(payload) >= 2 else 1005
    return 1006
