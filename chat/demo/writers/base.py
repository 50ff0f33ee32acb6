"""The contract of a writer: a wire protocol as a server speaks it. Values in, bytes out, no I/O."""

from typing import Any, Protocol

from chat.demo.script import DemoRequest, Say, Think


class StreamWriter(Protocol):
    """Writes one streamed answer; every method returns the bytes to send."""

    def opening(self) -> bytes:
        """What comes before the first delta."""

    def delta(self, step: Say | Think) -> bytes: ...

    def garbage(self) -> bytes:
        """An event that is not what the protocol promises."""

    def ending(self, finish_reason: str) -> bytes:
        """Everything after the last delta. `finish_reason` is `stop` or `length`."""


class Writer(Protocol):
    """`path` is below the base URL, e.g. `/chat/completions`."""

    path: str

    def read(self, body: Any) -> DemoRequest:
        """Raises `BadRequest` where the body is not a request of this protocol."""

    def stream(self, request: DemoRequest) -> StreamWriter: ...

    def whole(self, request: DemoRequest, steps: list[Say | Think], finish_reason: str) -> bytes:
        """The answer in one piece."""

    def error(self, status: int, message: str) -> bytes: ...
