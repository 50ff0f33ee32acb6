"""The contract of a writer: a wire protocol as a server speaks it. Values in, bytes out, no I/O."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from chat.demo.script import DemoRequest, Finish, Refuse, Spoken

OVERLOADED = "The server is overloaded because you asked for it. Please try again."
PAGE_IN_BETWEEN = b"<html>502 Bad Gateway</html>"

_PADDING = "Qm8z1LkV0xRt7Yb"


class StreamWriter(Protocol):
    """Writes one streamed answer; every method returns the bytes to send, maybe none."""

    def opening(self) -> bytes:
        """What comes before the first delta."""

    def step(self, step: Spoken) -> bytes: ...

    def keep_alive(self) -> bytes: ...

    def garbage(self) -> bytes:
        """An event that is not what the protocol promises."""

    def complaint(self) -> bytes:
        """The error that ends an answer which began well."""

    def ending(self, finish: Finish, *, twice: bool = False) -> bytes:
        """Everything after the last delta; `twice`, as some servers do, what says that it is the end."""


class Writer(Protocol):
    """`dialect` is the chat's name of the protocol, `path` is below `/v1`, e.g. `/chat/completions`."""

    dialect: str
    path: str

    def headers(self) -> Mapping[str, str]:
        """Those of every answer besides the content type."""

    def read(self, body: Any) -> DemoRequest:
        """Raises `BadRequest` where the body is not a request of this protocol."""

    def stream(self, request: DemoRequest) -> StreamWriter: ...

    def whole(self, request: DemoRequest, steps: Iterable[Spoken], finish: Finish) -> bytes:
        """The answer in one piece."""

    def error(self, refusal: Refuse) -> bytes: ...


def padding(length: int) -> str:
    """Fills up to a multiple of 16, so that who sees only the sizes cannot guess the words."""
    return _PADDING[: 15 - length % 16]
