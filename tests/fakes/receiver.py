"""A receiver of webhooks at the wire: plain sockets, so that it can be as slow, endless and rude as a test wants."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Play = Callable[[socket.socket], None]


def answer(status: int = 200, body: bytes = b"ok", **headers: str) -> Play:
    lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return say("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def say(data: bytes) -> Play:
    """Those bytes, and then the line is closed."""

    def play(line: socket.socket) -> None:
        line.sendall(data)

    return play


def hang(line: socket.socket) -> None:
    """Says nothing until the other side is gone."""
    with contextlib.suppress(OSError):
        while line.recv(65536):
            pass


def then(*plays: Play) -> Play:
    def play(line: socket.socket) -> None:
        for part in plays:
            part(line)

    return play


def endless(data: bytes, pause_seconds: float = 0.0) -> Play:
    """Says it again and again, until the other side is gone."""

    def play(line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                line.sendall(data)
                time.sleep(pause_seconds)

    return play


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Receiver:
    """Plays one `Play` for each request, the last one for all that follow."""

    listener: socket.socket
    tls: ssl.SSLContext | None = None
    plays: list[Play] = field(default_factory=lambda: [answer()])
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://{self.listener.getsockname()[0]}:{self.port}/hook"

    def then(self, *plays: Play) -> None:
        self.plays = list(plays)

    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.requests]

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self.listener.accept()
                threading.Thread(target=self._take, args=[line], daemon=True).start()

    def _take(self, line: socket.socket) -> None:
        with self.lock:
            self.connections += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            with contextlib.suppress(OSError), self._dressed(line) as dressed:
                request = _read(dressed)
                with self.lock:
                    self.requests.append(request)
                    play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
                play(dressed)
        finally:
            with self.lock:
                self.at_once -= 1

    def _dressed(self, line: socket.socket) -> socket.socket:
        return line if self.tls is None else self.tls.wrap_socket(line, server_side=True)


def _read(line: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := line.recv(65536)):
            raise OSError("closed")
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, value in (text.split(":", 1) for text in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += line.recv(65536)
    return Request(first, headers, body, time.time())


@contextmanager
def receiver(tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1") -> Iterator[Receiver]:
    with socket.create_server((host, 0), backlog=512) as listener:
        fake = Receiver(listener, tls)
        thread = threading.Thread(target=fake.serve, daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            # Closing alone does not wake whoever waits in accept.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
