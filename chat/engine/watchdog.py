"""systemd hears that we are up, and then that we live; what hangs it ends and starts again (sd_notify(3))."""

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

LIVES = b"READY=1\nWATCHDOG=1"


def watchdog(environment: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """To be called with each sign of life. Does nothing where no service manager listens."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return lambda: None
    # An abstract name is written with an @.
    name = "\0" + address[1:] if address.startswith("@") else address

    def say() -> None:
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line,
        ):
            line.sendto(LIVES, name)

    return say
