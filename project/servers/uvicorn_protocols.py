"""Uvicorn's connections, cut when the peer takes nothing for too long, or sends too many frames that are no messages.

Uvicorn pushes back, but waits for ever and counts nothing.
"""

import asyncio
import logging
import socket
import struct
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.frames import Frame

from project.servers.arrival import (
    BAD_HANDSHAKE,
    BODY_TOO_LARGE,
    HEAD_TOO_LARGE,
    TOO_SLOW,
    Arrival,
)
from project.servers.base import MAX_HEAD_BYTES, SEND_TIMEOUT_SECONDS
from project.servers.frame_limits import FrameLimits
from project.servers.uvicorn_reading import ReadsLittle

logger = logging.getLogger(__name__)

MAX_PIPELINED = 64
"""Requests that wait for the answer to an earlier one. Browsers send none before they have it."""


class CutWhenStuck(asyncio.Protocol):
    """Between `pause_writing` and `resume_writing` the peer must read within `SEND_TIMEOUT_SECONDS`."""

    transport: Any
    _cut: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._cut is None:
            loop = asyncio.get_running_loop()
            self._cut = loop.call_later(SEND_TIMEOUT_SECONDS, self._cut_off)

    def resume_writing(self) -> None:
        self._keep()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._keep()
        super().connection_lost(exc)

    def _cut_off(self) -> None:
        # Without this the kernel would go on offering the peer what it holds, for minutes.
        line = self.transport.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _keep(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None


class Http(CutWhenStuck, HttpToolsProtocol):
    """With the bounds that Twisted has: of the head, of the body, of slowness."""

    max_body_bytes: int
    _refused = False
    _answering: Any = None

    def connection_made(self, transport: Any) -> None:
        self._arrival = Arrival(time.monotonic)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        # httptools keeps a header until it has all of it, however long that is: so it is given little at a time.
        for start in range(0, len(data), MAX_HEAD_BYTES):
            piece = data[start : start + MAX_HEAD_BYTES]
            self._arrival.received(len(piece))
            super().data_received(piece)
            if self.transport.is_closing() or self.transport.get_protocol() is not self:
                return
            if self._arrival.head_is_too_long:
                self._refuse(HEAD_TOO_LARGE)
            elif self._arrival.body_bytes > self.max_body_bytes:
                self._refuse(BODY_TOO_LARGE)
            elif len(self.pipeline) > MAX_PIPELINED:
                logger.info("too many requests at once, from %s", self.client)
                self.transport.abort()
                return

    def on_header(self, name: bytes, value: bytes) -> None:
        # Not the trailers after a body in chunks: nobody asks for them.
        if not self._arrival.in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._arrival.head_read()
        if self._length() > self.max_body_bytes:
            self._refuse(BODY_TOO_LARGE)
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._arrival.all_read()
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        if self.cycle.response_complete and not self._arrival.in_head:
            self._arrival.answered()
        super().on_response_complete()
        # Uvicorn reads on after each answer, however many requests wait: 100 MB of them were 5 GB.
        if self.pipeline:
            self.flow.pause_reading()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        # Uvicorn tells the last request alone that nobody listens any more; the others' answers ended in tracebacks.
        self.pipeline.clear()
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def check_arrival(self) -> None:
        """Once in a while. Where we have stopped reading, the peer is not to blame."""
        if self._arrival.late and not (self.flow.read_paused or self.transport.is_closing()):
            logger.info("request too slow, from %s", self.client)
            self._refuse(TOO_SLOW)

    def _length(self) -> int:
        # The parser has refused what is no number.
        return next((int(value) for name, value in self.headers if name == b"content-length"), 0)

    def _refuse(self, answer: bytes) -> None:
        self._refused = True
        self.transport.write(answer)
        self.transport.close()


class WebSocket(CutWhenStuck, ReadsLittle):
    _limits: FrameLimits

    def connection_made(self, transport: Any) -> None:
        self._limits = FrameLimits(time.monotonic)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # What is no handshake at all (a POST, a body) uvicorn neither answers nor closes.
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(BAD_HANDSHAKE)
            self.transport.close()

    def handle_parser_exception(self) -> None:
        logger.info("socket cut: %s", self.conn.parser_exc)
        super().handle_parser_exception()

    def handle_ping(self) -> None:
        if self._limits.control_frame():
            super().handle_ping()
        else:
            self._too_many("control frames")

    def handle_pong(self, event: Frame) -> None:
        if self._limits.control_frame():
            super().handle_pong(event)
        else:
            self._too_many("control frames")

    def handle_text(self, event: Frame) -> None:
        self._limits.begin_message()
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        self._limits.begin_message()
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        # The first frame of a message is none of these.
        if self._limits.fragment():
            super().handle_cont(event)
        else:
            self.frames = []
            self._too_many("fragments")

    def _too_many(self, what: str) -> None:
        if not self.transport.is_closing():
            logger.info("socket cut: too many %s", what)
            self.transport.abort()
