"""How much uvicorn reads of one WebSocket at a time, and after it has been closed.

Uvicorn parses all that one read has brought before it looks at any of it, and after its close frame reads on as fast as
the peer sends, for ten seconds: a flood of small frames kept the loop for more than a second at a time.
"""

import asyncio
from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from project.servers.base import CLOSE_SECONDS

PIECE_BYTES: Final = 16 * 1024
"""Bounds are looked at after each. Enough for any usual message, so that those cost nothing more."""
AFTER_CLOSE_BYTES: Final = 256 * 1024
"""An honest peer may have sent so much before it learns that the connection is closed. The rest is not read."""


class ReadsLittle(WebSocketsSansIOProtocol):
    _after_close = 0

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        super().on_task_complete(task)
        # Messages that nobody will ask for any more.
        self.queue = asyncio.Queue()
        if not self.disconnected:
            # Uvicorn's timer closes gently, which takes for ever where the peer does not read.
            if self.close_timer is not None:
                self.close_timer.cancel()
            self.close_timer = self.loop.call_later(CLOSE_SECONDS, self._cut_off)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget_what_was_read()

    def _cut_off(self) -> None:
        self.transport.abort()

    def _forget_what_was_read(self) -> None:
        # The collector comes late, and finds half a message of each who was cut off.
        self.conn.reader.discard()
        self.frames = []

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            if self.close_sent and self._drowned(len(piece)):
                return
            super().data_received(piece)
            if self.transport.is_closing():
                return

    def _drowned(self, size: int) -> bool:
        before, self._after_close = self._after_close, self._after_close + size
        if self._after_close <= AFTER_CLOSE_BYTES:
            return False
        if before <= AFTER_CLOSE_BYTES and not self.transport.is_closing():
            # Nothing will be parsed any more, so it does not matter that the rest of this read is dropped.
            self.transport.pause_reading()
            self._forget_what_was_read()
        return True
