"""Uvicorn's connections, cut when the peer takes nothing for too long. Uvicorn pushes back but waits for ever."""

import asyncio
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from project.servers.base import SEND_TIMEOUT_SECONDS


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


class WebSocket(CutWhenStuck, WebSocketsSansIOProtocol):
    pass
