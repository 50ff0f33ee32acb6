"""How slowly a request may come in, and how long its head may be. Neither server of ours asks that by itself."""

from collections.abc import Callable
from enum import Enum, auto

from project.servers import base


class _Part(Enum):
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    NOTHING = auto()


class Arrival:
    """One connection's requests, one after the other. A new connection owes us a head at once.

    Between two requests the server's own keep-alive time counts, and while an answer is made it is our turn.
    """

    __slots__ = ("_bytes", "_clock", "_part", "_since")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._part = _Part.HEAD
        self._since = clock()
        self._bytes = 0

    def received(self, count: int) -> None:
        if self._part is _Part.NOTHING:
            self._begin(_Part.HEAD)
        self._bytes += count

    def head_read(self) -> None:
        self._begin(_Part.BODY)

    def all_read(self) -> None:
        self._begin(_Part.ANSWER)

    def answered(self) -> None:
        self._begin(_Part.NOTHING)

    @property
    def in_head(self) -> bool:
        return self._part is _Part.HEAD

    @property
    def in_body(self) -> bool:
        return self._part is _Part.BODY

    @property
    def body_bytes(self) -> int:
        """Of the body as it came over the line, with the frame of its chunks."""
        return self._bytes if self.in_body else 0

    @property
    def head_is_too_long(self) -> bool:
        return self.in_head and self._bytes > base.MAX_HEAD_BYTES

    @property
    def late(self) -> bool:
        waited = self._clock() - self._since
        if self.in_head:
            return waited > base.HEAD_SECONDS
        return self.in_body and waited > base.BODY_SECONDS + self._bytes / base.LEAST_BYTES_PER_SECOND

    def _begin(self, part: _Part) -> None:
        self._part, self._since, self._bytes = part, self._clock(), 0


def refusal(status: str) -> bytes:
    """An answer of the server's own; the connection ends with it."""
    return f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()


TOO_SLOW = refusal("408 Request Timeout")
BODY_TOO_LARGE = refusal("413 Content Too Large")
HEAD_TOO_LARGE = refusal("431 Request Header Fields Too Large")
BAD_HANDSHAKE = refusal("400 Bad Request")
