"""For threads that hold what nobody else has: a tool's result must not get lost because the database was away."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from django.db import close_old_connections, connection

from chat.engine.database import storage_errors
from chat.exceptions import StorageUnavailable

logger = structlog.get_logger(__name__)

PATIENCE_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.25

R = TypeVar("R")


def insist(
    write: Callable[[], R],
    *,
    seconds: float = PATIENCE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> R:
    """Again and again while the database does not answer. `write` must stand being run twice: the line may have broken
    at its commit. Never to be called on an event loop.

    Raises:
        StorageUnavailable: for so many seconds.
    """
    until = clock() + seconds
    while True:
        try:
            with storage_errors():
                return write()
        except StorageUnavailable as error:
            if connection.in_atomic_block or clock() >= until:
                raise
            logger.warning("not stored yet", reason=error.detail)
            close_old_connections()
            sleep(PAUSE_SECONDS)
