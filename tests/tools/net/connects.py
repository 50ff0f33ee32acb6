"""What this process really connects to, told by the interpreter itself: no socket is opened without its audit event."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_watching: list[list[Any]] = []


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        for seen in _watching:
            seen.append(args[1])


sys.addaudithook(_hear)  # for good: a hook cannot be taken away, so it mostly hears nothing


@contextmanager
def watched_connects() -> Iterator[list[Any]]:
    """The addresses that are connected to inside of the block, whoever does it."""
    seen: list[Any] = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)
