"""A WebSocket client of bare sockets: it can leave a reply unread, or send what no library would."""

import base64
import os
import socket
import struct
import urllib.request


def open_socket(port: int, path: str, timeout_seconds: float = 5.0) -> socket.socket:
    """An upgraded connection."""
    line, head = ask_for_socket(port, path, timeout_seconds)
    assert head.startswith(b"HTTP/1.1 101"), head
    return line


def ask_for_socket(
    port: int, path: str, timeout_seconds: float = 5.0, *, version: int = 13
) -> tuple[socket.socket, bytes]:
    """A connection after its handshake, and the head of the answer, whatever it is."""
    line = socket.create_connection(("127.0.0.1", port), timeout=timeout_seconds)
    key = base64.b64encode(os.urandom(16)).decode()
    line.sendall(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: {version}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += line.recv(1)
    return line, head


def frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    """A short one, masked with zeros."""
    return bytes([opcode | (0x80 if final else 0), 0x80 | len(payload)]) + bytes(4) + payload


def reset(line: socket.socket) -> None:
    """Ends the connection the hard way: the peer gets a reset."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


def text_frame(text: bytes) -> bytes:
    """Masked with zeros, as a client's must be."""
    if len(text) < 126:
        head = bytes([0x81, 0x80 | len(text)])
    elif len(text) < 65_536:
        head = struct.pack("!BBH", 0x81, 0xFE, len(text))
    else:
        head = struct.pack("!BBQ", 0x81, 0xFF, len(text))
    return head + bytes(4) + text


def receive(line: socket.socket) -> tuple[int, bytes]:
    """One short frame of the server: opcode and payload."""
    first, length = exactly(line, 2)
    if length == 126:
        (length,) = struct.unpack("!H", exactly(line, 2))
    elif length == 127:
        (length,) = struct.unpack("!Q", exactly(line, 8))
    return first & 0x0F, exactly(line, length)


def exactly(line: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = line.recv(count - len(data))
        if not more:
            raise ConnectionError("the server closed")
        data += more
    return data


def push(line: socket.socket, data: bytes, up_to_bytes: int) -> int:
    """Sends `data` again and again until the peer takes no more, or has cut us off; returns the bytes sent."""
    sent = 0
    try:
        while sent < up_to_bytes:
            sent += line.send(data)
    except OSError:
        pass
    return sent


def get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        body: bytes = answer.read()
        return body
