"""What a launcher is given, and what it promises."""

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

Application = Callable[[dict[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Any]
"""An ASGI 3 application."""


class LaunchRefused(Exception):
    """The server cannot start; the text is one line for whoever typed the command."""


class Lifecycle(Protocol):
    """The application's own beginning and end, run on the server's loop."""

    async def startup(self) -> None:
        """Runs before the first connection is taken."""

    async def shutdown(self, grace_seconds: float) -> None:
        """Runs while open connections still live, after the last new one. Ends runs within `grace_seconds`."""


@dataclass(frozen=True)
class Serving:
    """One server's task: this application on this socket, until a signal comes.

    `listener` already listens, nothing is accepted yet. `on_ready` is called once connections are taken. SIGINT
    (a person waits at the keyboard) gives the runs `interrupt_grace_seconds`, SIGTERM `drain_seconds`; a second
    signal ends the process at once.
    """

    application: Application
    listener: socket.socket
    lifecycle: Lifecycle
    on_ready: Callable[[], None]
    drain_seconds: float = 15.0
    interrupt_grace_seconds: float = 1.5
    max_body_bytes: int = 64 * 1024 * 1024


# A message of the protocol may have 64 kB, beyond that the application closes with its own code; this is where the
# server cuts off by itself.
MAX_WEBSOCKET_MESSAGE_BYTES = 128 * 1024

# A request's first line and headers, together.
MAX_HEAD_BYTES = 16 * 1024

# Until they are there, counted from the connection or from their first byte.
HEAD_SECONDS = 20.0

# For the body, and a second more for every 500 bytes that came (as Apache's mod_reqtimeout has it).
BODY_SECONDS = 20.0
LEAST_BYTES_PER_SECOND = 500

# Longer than a proxy keeps an unused connection to us (nginx: 60 s): else it sends a request into a closing one.
KEEP_ALIVE_SECONDS = 75

# How long a peer may take nothing at all of what we send before it is cut off.
SEND_TIMEOUT_SECONDS = 10.0

# How long the peer's close frame is waited for after ours. Longer than the longest lines need there and back; who does
# not read is there for so much longer, after the fifteen seconds in which nothing was acknowledged.
CLOSE_SECONDS = 2.0

# Plain requests that are under way at the end get this long; streams are ended by the application's shutdown.
REQUEST_GRACE_SECONDS = 1.0

SERVICE_RESTART = 1012
"""WebSocket close code (IANA registry): the server goes away and comes back."""
