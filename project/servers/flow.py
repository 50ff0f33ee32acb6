"""Bounds for daphne, which has none: what comes in is paused, what goes out is waited for."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

# Messages waiting for the application: reading pauses at the first, goes on at the second. One read of 64 kB may
# hold thousands of tiny frames, which no pause can stop in time: the third cuts the connection.
PAUSE_AT = 64
RESUME_AT = 16
CUT_AT = 4096
# The same in bytes, for few and large messages.
PAUSE_AT_BYTES = 256 * 1024


class Reading(Protocol):
    """The part of a transport that an inbox needs (Twisted's names)."""

    def pauseProducing(self) -> None: ...  # noqa: N802
    def resumeProducing(self) -> None: ...  # noqa: N802
    def abortConnection(self) -> None: ...  # noqa: N802


class Inbox:
    """The application's queue of one connection; stops reading from the network while it is full.

    The overflow policy: pause at 64 messages or 256 kB, go on at 16 messages, cut the connection at 4,096. Notices
    without a body, such as the disconnect, are always taken. One consumer, on the loop's own thread.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._messages: deque[dict[str, Any]] = deque()
        self._bytes = 0
        self._paused = False
        self._cut = False
        self._waiter: asyncio.Future[None] | None = None

    def put_nowait(self, message: dict[str, Any]) -> None:
        size = _size(message)
        if size and self._cut:
            return
        self._messages.append(message)
        self._bytes += size
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if len(self._messages) >= CUT_AT:
            self._cut = True
            self._reading.abortConnection()
        elif not self._paused and (len(self._messages) >= PAUSE_AT or self._bytes >= PAUSE_AT_BYTES):
            self._paused = True
            self._reading.pauseProducing()

    async def get(self) -> dict[str, Any]:
        while not self._messages:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self._messages.popleft()
        self._bytes -= _size(message)
        if self._paused and len(self._messages) <= RESUME_AT and self._bytes < PAUSE_AT_BYTES:
            self._paused = False
            if not self._cut:
                self._reading.resumeProducing()
        return message


def _size(message: dict[str, Any]) -> int:
    return len(message.get("text") or message.get("bytes") or "")


class SendGate:
    """Holds senders back while the peer does not read (a Twisted push producer).

    The transport pauses it above 64 kB of unsent data and resumes it when all is sent. A peer that takes nothing
    for `timeout_seconds` is cut off.
    """

    def __init__(self, cut: Callable[[], None], timeout_seconds: float) -> None:
        self._cut = cut
        self._timeout_seconds = timeout_seconds
        self._resumed: asyncio.Future[None] | None = None

    @property
    def closed(self) -> bool:
        return self._resumed is not None

    async def wait(self) -> None:
        """Returns when there is room again, or after the peer was cut off."""
        if self._resumed is None:
            return
        done, _ = await asyncio.wait([self._resumed], timeout=self._timeout_seconds)
        if not done:
            self._cut()
            self._open()

    def pauseProducing(self) -> None:  # noqa: N802
        if self._resumed is None:
            self._resumed = asyncio.get_running_loop().create_future()

    def resumeProducing(self) -> None:  # noqa: N802
        self._open()

    def stopProducing(self) -> None:  # noqa: N802
        self._open()

    def _open(self) -> None:
        if self._resumed is not None:
            if not self._resumed.done():
                self._resumed.set_result(None)
            self._resumed = None
