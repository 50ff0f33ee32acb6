"""Ports for the parts that only this machine talks to: the ones after the public one, so that they are easily told."""

import socket
from collections.abc import Collection

LOWEST, HIGHEST = 1024, 65_535


def ports_after(public: int, count: int, *, taken: Collection[int] = ()) -> list[int]:
    """Free ones on the loopback address, nearest first."""
    above = range(max(public + 1, 8001 if public < LOWEST else LOWEST), HIGHEST + 1)
    below = range(min(public, HIGHEST) - 1, LOWEST - 1, -1)
    found: list[int] = []
    for port in (*above, *below):
        if len(found) == count:
            break
        if port not in taken and is_free(port):
            found.append(port)
    return found


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
