"""Daphne's HTTP connections with bounds: of heads, of bodies, of slowness. Import only after `reactor.install()`."""

import logging
import time
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.web import http

from project.servers.arrival import BODY_TOO_LARGE, HEAD_TOO_LARGE, TOO_SLOW, Arrival
from project.servers.base import KEEP_ALIVE_SECONDS, MAX_HEAD_BYTES, SEND_TIMEOUT_SECONDS
from project.servers.flow import SendGate

logger = logging.getLogger(__name__)

# Half of Twisted has no types, and the other half is of little use without them.
HTTPChannel: Any = http.HTTPChannel
channel_of_any_protocol: Any = http._GenericHTTPChannelProtocol


class BoundedChannel(HTTPChannel):  # type: ignore[misc]
    """One connection. Twisted bounds the head by itself, but a byte a minute keeps it waiting for ever."""

    totalHeadersSize = MAX_HEAD_BYTES  # noqa: N815

    def connectionMade(self) -> None:  # noqa: N802
        self._arrival = Arrival(time.monotonic)
        self.factory.channels.add(self)
        super().connectionMade()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        self.factory.channels.discard(self)
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._arrival.received(len(data))
        super().dataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802
        self.refuse(HEAD_TOO_LARGE)

    def allHeadersReceived(self) -> None:  # noqa: N802
        self._arrival.head_read()
        super().allHeadersReceived()

    def allContentReceived(self) -> None:  # noqa: N802
        self._arrival.all_read()
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:  # noqa: N802
        # Before: what has come of the next request is read from there.
        self._arrival.answered()
        super().requestDone(request)

    def check_arrival(self) -> None:
        """Once in a while."""
        if self._arrival.late:
            logger.info("request too slow, from %s", self.transport.getPeer())
            self.refuse(TOO_SLOW)

    def refuse(self, answer: bytes) -> None:
        self._arrival.all_read()
        self.transport.write(answer)
        self.loseConnection()


class GatedRequest(WebRequest):  # type: ignore[misc]
    """An HTTP request with a bounded body, whose streamed answer waits for a slow reader."""

    gate: SendGate | None = None
    _received_bytes = 0
    _refused = False

    def process(self) -> None:
        super().process()
        if self.transport is None and self.channel is not None:
            # Upgraded: the transport has another protocol now, and the channel hears of nothing any more.
            self.channel.factory.channels.discard(self.channel)

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
        self.channel.refuse(BODY_TOO_LARGE)


class GatedHTTPFactory(HTTPFactory):  # type: ignore[misc]
    @staticmethod
    def protocol() -> Any:
        return channel_of_any_protocol(BoundedChannel())

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.timeOut = KEEP_ALIVE_SECONDS
        self.channels: set[BoundedChannel] = set()

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = GatedRequest
        return protocol
