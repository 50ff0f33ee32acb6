"""Daphne's WebSockets with bounds and a short way out. Import only after `reactor.install()`."""

import logging
import time
from typing import Any, ClassVar, Final

from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet.tcp import Connection

from project.servers.base import SEND_TIMEOUT_SECONDS
from project.servers.flow import SendGate
from project.servers.frame_limits import FrameLimits
from project.servers.frames import FINAL_BINARY, FINAL_TEXT, frame_head

logger = logging.getLogger(__name__)

PONG: Final = 10


class GatedWebSocket(WebSocketProtocol):  # type: ignore[misc]  # daphne has no types
    """A WebSocket whose sender waits for a slow peer, and whose frames leave at once when nothing is queued."""

    gate: SendGate

    # autobahn copies these from the factory at every connection and pretty-prints them for its debug log, whatever
    # the level: 1.5 ms. Here `_connectionMade` copies them.
    CONFIG_ATTRS: ClassVar[list[str]] = []

    def _connectionMade(self) -> None:  # noqa: N802
        for name in WebSocketProtocol.CONFIG_ATTRS:
            setattr(self, name, getattr(self.factory, name))
        self._limits = FrameLimits(time.monotonic)
        super()._connectionMade()

    def onConnect(self, request: Any) -> Any:  # noqa: N802
        self.gate = SendGate(self.transport.abortConnection, SEND_TIMEOUT_SECONDS)
        # After the upgrade the HTTP channel is still registered and would take the signals of the transport.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.gate, True)
        self._direct = isinstance(self.transport, Connection) and not self.transport.TLS
        return super().onConnect(request)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:  # noqa: N802, N803
        # A handshake that autobahn refuses never comes to `onConnect`, where daphne sets up what it tidies here.
        if hasattr(self, "server"):
            super().onClose(wasClean, code, reason)
        if self.failedByMe:
            reason = str(self.wasNotCleanReason).removeprefix("I dropped the WebSocket TCP connection: ")
            logger.info("socket cut: %s", reason)

    def onMessageBegin(self, isBinary: bool) -> None:  # noqa: N802, N803
        self._limits.begin_message()
        super().onMessageBegin(isBinary)

    def onMessageFrameBegin(self, length: int) -> None:  # noqa: N802
        if self._limits.fragment():
            super().onMessageFrameBegin(length)
        else:
            self._cut_off("too many fragments")

    def processControlFrame(self) -> bool:  # noqa: N802
        if not self._limits.control_frame():
            self._cut_off("too many control frames")
            return False
        payload: list[bytes] = self.control_frame_data  # type: ignore[has-type]
        if self.current_frame.opcode == PONG and b"".join(payload) != self.autoPingPending:
            # Allowed (RFC 6455, 5.5.3) and of no use; autobahn logs each as a warning.
            self.control_frame_data = None
            return True
        return bool(super().processControlFrame())

    def onPing(self, payload: bytes) -> None:  # noqa: N802
        # Who does not read gets no pong either; the newest may stand for all (RFC 6455, 5.5.3).
        if not self.gate.closed:
            super().onPing(payload)

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        super().connectionLost(reason)
        # What was not read to the end is of no use, and the collector comes late: a flood was kept 64 kB at a time.
        self.data = b""
        self.message_data = None

    def _cut_off(self, reason: str) -> None:
        self.wasNotCleanReason = reason
        self.failedByMe = True
        self.dropConnection(abort=True)

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:  # noqa: N802
        # autobahn's way handles compression, masks, fragments and statistics for every frame; none is in use here.
        if self.state != self.STATE_OPEN or self._perMessageCompress is not None:
            super().serverSend(content, binary)
            return
        payload = content.encode() if isinstance(content, str) else content
        self.sendData(frame_head(FINAL_BINARY if binary else FINAL_TEXT, len(payload)) + payload)

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:  # noqa: N802
        if sync or chopsize or self.send_queue or not getattr(self, "_direct", False):
            super().sendData(data, sync, chopsize)
            return
        transport = self.transport
        if transport._aborting:
            return
        # Twisted's `write` puts every frame through two epoll_ctl calls and a turn of the loop.
        if transport.connected and not (
            transport.dataBuffer or transport._tempDataLen or transport.disconnecting or transport._aborting
        ):
            written = transport.writeSomeData(data)
            if isinstance(written, int):
                data = data[written:]
            # An exception means the connection is lost; writing the normal way finds the same and cleans up.
        if data:
            transport.write(data)


class GatedWebSocketFactory(WebSocketFactory):  # type: ignore[misc]
    protocol = GatedWebSocket
