"""Daphne in this process: bounded, fast, and with a beginning and an end. Import only after `reactor.install()`."""

import asyncio
import logging
import os
import signal
from functools import partial
from typing import Any, cast

from daphne.server import Server
from twisted.internet import reactor as installed_reactor
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogBeginner,
)

from project.servers.base import (
    CLOSE_SECONDS,
    MAX_WEBSOCKET_MESSAGE_BYTES,
    REQUEST_GRACE_SECONDS,
    SERVICE_RESTART,
    Serving,
)
from project.servers.daphne_http import GatedHTTPFactory
from project.servers.daphne_websocket import GatedWebSocket, GatedWebSocketFactory
from project.servers.ending import finish_loop
from project.servers.flow import Inbox

logger = logging.getLogger(__name__)

# Twisted's interfaces describe no more than half of what its reactors and observers take.
reactor: Any = installed_reactor


class DaphneServer(Server):  # type: ignore[misc]  # daphne has no types
    """One listening daphne. `run()` returns when the server has ended; it can be run once in a process."""

    def __init__(self, serving: Serving) -> None:
        super().__init__(
            application=serving.application,
            endpoints=["adopted"],
            signal_handlers=False,
            websocket_timeout=-1,
            websocket_connect_timeout=20,
            server_name="",
        )
        self.serving = serving
        self.max_body_bytes = serving.max_body_bytes
        self.connections: dict[Any, dict[str, Any]] = {}
        self._loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
        self._grace_seconds: asyncio.Future[float] = self._loop.create_future()
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Serves until SIGINT or SIGTERM. Raises what `lifecycle.startup` raised."""
        asyncio.set_event_loop(self._loop)
        _log_what_twisted_says()
        self.http_factory = GatedHTTPFactory(self)
        self.ws_factory = GatedWebSocketFactory(self, server=self.server_name)
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            allowNullOrigin=True,
            openHandshakeTimeout=self.websocket_handshake_timeout,
            closeHandshakeTimeout=CLOSE_SECONDS,
            maxMessagePayloadSize=MAX_WEBSOCKET_MESSAGE_BYTES,
            maxFramePayloadSize=MAX_WEBSOCKET_MESSAGE_BYTES,
        )
        for number, grace_seconds in (
            (signal.SIGINT, self.serving.interrupt_grace_seconds),
            (signal.SIGTERM, self.serving.drain_seconds),
        ):
            self._loop.add_signal_handler(number, self._signalled, grace_seconds)
        main = self._loop.create_task(self._main(), name="daphne")
        main.add_done_callback(lambda _: reactor.stop())
        reactor.run(installSignalHandlers=False)
        finish_loop(self._loop)
        main.result()

    def _signalled(self, grace_seconds: float) -> None:
        if self._grace_seconds.done():
            os._exit(1)
        self._grace_seconds.set_result(grace_seconds)

    async def _main(self) -> None:
        await self.serving.lifecycle.startup()
        listener = self.serving.listener
        port = reactor.adoptStreamPort(listener.fileno(), listener.family, self.http_factory)
        listener.close()
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        self.serving.on_ready()
        grace_seconds = await self._grace_seconds
        port.stopListening()
        await self._end(grace_seconds)

    async def _end(self, grace_seconds: float) -> None:
        """Ends the runs while their viewers can still see it, then says goodbye to all."""
        results = await asyncio.gather(
            self.serving.lifecycle.shutdown(grace_seconds),
            self._plain_requests_done(),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException):
                logger.error("The shutdown failed.", exc_info=result)
        for protocol in list(self.connections):
            if isinstance(protocol, GatedWebSocket) and protocol.state == protocol.STATE_OPEN:
                protocol.sendCloseFrame(code=SERVICE_RESTART, isReply=False)
        running = self._running()
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=0.5)

    def _running(self, kind: type | None = None) -> "list[asyncio.Future[Any]]":
        # A peer that came or went in the last second has no application; daphne's own list stumbles over it.
        return [
            task
            for protocol, details in self.connections.items()
            if (task := details.get("application_instance")) is not None
            and not task.done()
            and (kind is None or isinstance(protocol, kind))
        ]

    async def _plain_requests_done(self) -> None:
        sockets = set(self._running(GatedWebSocket))
        waiting = [task for task in self._running() if task not in sockets]
        if waiting:
            await asyncio.wait(waiting, timeout=REQUEST_GRACE_SECONDS)

    def timeout_checker(self) -> None:
        # Daphne's ends for good at the first connection that raises.
        for protocol in list(self.connections):
            try:
                protocol.check_timeouts()
            except Exception:
                logger.exception("A connection could not be checked")
                protocol.transport.abortConnection()
        for channel in list(self.http_factory.channels):
            try:
                channel.check_arrival()
            except Exception:
                logger.exception("A connection could not be checked")
                self.http_factory.channels.discard(channel)
                channel.abortConnection()
        reactor.callLater(2, self.timeout_checker)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """As daphne's, with a bounded inbox for WebSockets. A request's body is bounded before it comes here."""
        if protocol not in self.connections:
            return None
        inbox: Any = Inbox(protocol.transport) if scope["type"] == "websocket" else asyncio.Queue()
        scope.setdefault("asgi", {"version": "3.0"})

        async def send(message: dict[str, Any]) -> None:
            await self.handle_reply(protocol, message)

        task = self._loop.create_task(self.application(scope, inbox.get, send))
        task.add_done_callback(partial(self._application_ended, protocol))
        self.connections[protocol]["application_instance"] = task
        return inbox

    def _application_ended(self, protocol: Any, task: "asyncio.Task[None]") -> None:
        # Daphne looks for ended applications once a second, and stops looking for good when telling a peer fails.
        details = self.connections.get(protocol, {})
        details.pop("application_instance", None)
        if task.cancelled() or (error := task.exception()) is None:
            return
        logger.error("Exception inside application", exc_info=error)
        if details and "disconnected" not in details:
            try:
                protocol.handle_exception(error)
            except Exception:
                logger.debug("The peer could not be told", exc_info=True)
                protocol.transport.abortConnection()

    def protocol_disconnected(self, protocol: Any) -> None:
        # Called a second time, after the first has already been tidied away, daphne's raises KeyError.
        if protocol in self.connections:
            super().protocol_disconnected(protocol)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        await super().handle_reply(protocol, message)
        gate = protocol.gate
        if gate is not None and gate.closed:
            await gate.wait()


def _log_what_twisted_says() -> None:
    # At its usual verbosity daphne throws Twisted's log away, and an exception in a protocol looks like a lost socket.
    levels = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
    # It warns twice of every peer that breaks the protocol; `GatedWebSocket.onClose` says it once.
    levels.setLogLevelForNamespace("autobahn", LogLevel.error)
    observer: Any = FilteringLogObserver(cast(Any, STDLibLogObserver("twisted")), [cast(Any, levels)])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)


def run(serving: Serving) -> None:
    DaphneServer(serving).run()
