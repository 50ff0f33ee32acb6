"""A tool's cache over Django's, for whoever makes a `ToolContext`."""

import asyncio
import hashlib
import logging
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from django.core.cache.backends.base import BaseCache

logger = logging.getLogger(__name__)
T = TypeVar("T")

PREFIX: Final = "tool:"
MOST_BYTES: Final = 1_000_000
"""A larger value is not kept."""


class DjangoCache:
    """Values are kept as JSON. A cache that is away, or full, or holds nonsense, has forgotten everything."""

    def __init__(self, cache: BaseCache, seconds: float) -> None:
        self._cache = cache
        self._seconds = seconds

    def get(self, key: str) -> Any:
        try:
            kept = _outside_of_loops(lambda: self._cache.get(_short(key)))
            return None if kept is None else msgspec.json.decode(kept)
        except Exception as error:  # noqa: BLE001  (each backend has exceptions of its own)
            logger.warning("The cache of tools cannot be read: %s", type(error).__name__)
            return None

    def set(self, key: str, value: Any, seconds: float | None = None) -> None:
        try:
            kept = msgspec.json.encode(value)
            if len(kept) <= MOST_BYTES:
                lasting = self._seconds if seconds is None else seconds
                _outside_of_loops(lambda: self._cache.set(_short(key), kept, lasting))
        except Exception as error:  # noqa: BLE001
            logger.warning("The cache of tools cannot be written: %s", type(error).__name__)


def _short(key: str) -> str:
    # Some backends take 250 characters at most, and no spaces.
    return PREFIX + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _outside_of_loops(job: Callable[[], T]) -> T:
    """A cache in the database refuses to be asked where an event loop runs; an `async def` tool has a loop of its own,
    which may wait for the millisecond."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return job()
    done: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        from django.db import connections

        try:
            done.append(job())
        except Exception as error:  # noqa: BLE001
            failed.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work, name="tool-cache")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]
