"""Daphne's connections with bounds and a short way out. Import only after `reactor.install()`."""

from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet.tcp import Connection

from project.servers.base import SEND_TIMEOUT_SECONDS
from project.servers.flow import SendGate
from project.servers.frames import FINAL_BINARY, FINAL_TEXT, frame_head


class GatedWebSocket(WebSocketProtocol):  # type: ignore[misc]  # daphne has no types
    """A WebSocket whose sender waits for a slow peer, and whose frames leave at once when nothing is queued."""

    gate: SendGate

    def onConnect(self, request: Any) -> Any:  # noqa: N802
        self.gate = SendGate(self.transport.abortConnection, SEND_TIMEOUT_SECONDS)
        # After the upgrade the HTTP channel is still registered and would take the signals of the transport.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.gate, True)
        self._direct = isinstance(self.transport, Connection) and not self.transport.TLS
        return super().onConnect(request)

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


class GatedRequest(WebRequest):  # type: ignore[misc]
    """An HTTP request with a bounded body, whose streamed answer waits for a slow reader."""

    gate: SendGate | None = None
    _received_bytes = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        if length is not None and length > self.server.max_body_bytes:
            self._refuse()
        super().gotLength(0 if self._refused else length)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        self._received_bytes += len(data)
        if self._received_bytes > self.server.max_body_bytes:
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        if not self._refused:
            super().requestReceived(command, path, version)

    def handle_reply(self, message: dict[str, Any]) -> None:
        more = message["type"] == "http.response.body" and message.get("more_body", False)
        if more and self.gate is None and self.channel is not None and not self.finished:
            self.gate = SendGate(self.channel.transport.abortConnection, SEND_TIMEOUT_SECONDS)
            self.registerProducer(self.gate, True)
        elif not more and self.gate is not None and message["type"] == "http.response.body":
            self._release()
        super().handle_reply(message)

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        if self.gate is not None:
            self.gate.stopProducing()
        super().connectionLost(reason)

    def _release(self) -> None:
        if self.gate is not None:
            self.gate.stopProducing()
            self.gate = None
            if self.producer is not None and self.channel is not None:
                self.unregisterProducer()

    def _refuse(self) -> None:
        if self._refused or self.channel is None:
            return
        self._refused = True
        self.channel.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
        self.channel.loseConnection()


class GatedHTTPFactory(HTTPFactory):  # type: ignore[misc]
    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = GatedRequest
        return protocol
