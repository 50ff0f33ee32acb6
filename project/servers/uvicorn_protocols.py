"""Uvicorn's connections, cut when the peer takes nothing for too long, or sends too many frames that are no messages.

Uvicorn pushes back, but waits for ever and counts nothing.
"""

import asyncio
import socket
import struct
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.frames import Frame

from project.servers.base import SEND_TIMEOUT_SECONDS
from project.servers.frame_limits import FrameLimits
from project.servers.uvicorn_reading import ReadsLittle


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
    pass


class WebSocket(CutWhenStuck, ReadsLittle):
    _limits: FrameLimits

    def connection_made(self, transport: Any) -> None:
        self._limits = FrameLimits(time.monotonic)
        super().connection_made(transport)

    def handle_ping(self) -> None:
        if self._limits.control_frame():
            super().handle_ping()
        else:
            self.transport.abort()

    def handle_pong(self, event: Frame) -> None:
        if self._limits.control_frame():
            super().handle_pong(event)
        else:
            self.transport.abort()

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
            self.transport.abort()
