"""Uvicorn in this process, with the same beginning and end as daphne."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator

import uvicorn

from project.servers.base import (
    KEEP_ALIVE_SECONDS,
    MAX_WEBSOCKET_MESSAGE_BYTES,
    REQUEST_GRACE_SECONDS,
    Serving,
)
from project.servers.uvicorn_protocols import Http, WebSocket

logger = logging.getLogger(__name__)

TICKS_A_SECOND = 10
"""Uvicorn's own."""


class UvicornServer(uvicorn.Server):
    """Ends the runs before it closes the sockets; uvicorn's own lifespan comes after, and viewers miss the end."""

    def __init__(self, serving: Serving) -> None:
        super().__init__(
            uvicorn.Config(
                serving.application,
                lifespan="off",
                loop="uvloop",
                http=type("Http", (Http,), {"max_body_bytes": serving.max_body_bytes}),
                ws=WebSocket,
                ws_max_size=MAX_WEBSOCKET_MESSAGE_BYTES,
                ws_per_message_deflate=False,
                access_log=False,
                log_config=None,
                server_header=False,
                # Whom to believe about addresses and schemes is decided by the settings, for both servers alike.
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                # A client that never reads would block the exit for ever.
                timeout_graceful_shutdown=int(REQUEST_GRACE_SECONDS),
            )
        )
        self.serving = serving
        self._grace_seconds: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.serving.lifecycle.startup()
        await super().startup(sockets)
        self.serving.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        try:
            await self.serving.lifecycle.shutdown(self._grace_seconds or 0.0)
        except Exception:
            logger.exception("The shutdown failed.")
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_SECOND == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, Http):
                    connection.check_arrival()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again at the end, so that a clean stop looks like a death (143).
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._signalled, self.serving.interrupt_grace_seconds)
        loop.add_signal_handler(signal.SIGTERM, self._signalled, self.serving.drain_seconds)
        yield

    def _signalled(self, grace_seconds: float) -> None:
        if self.should_exit:
            os._exit(1)
        self._grace_seconds = grace_seconds
        self.should_exit = True


def run(serving: Serving) -> None:
    """Serves until SIGINT or SIGTERM. Raises what `lifecycle.startup` raised."""
    UvicornServer(serving).run(sockets=[serving.listener])
