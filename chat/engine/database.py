"""The one bridge from async code to the ORM: a few threads, each with a connection it keeps."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connections

from chat.exceptions import StorageUnavailable

MOST_WAITING = 1000

P = ParamSpec("P")
R = TypeVar("R")


class DatabaseThreads:
    """Runs functions that use the ORM. More callers than threads wait in line; more than a thousand are refused.

    Unlike `sync_to_async`, nothing here is thread-sensitive: one slow query does not hold up everybody else.
    """

    def __init__(self, size: int = 8) -> None:
        self._size = size
        self._waiting = 0
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="database")

    async def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """
        Raises:
            StorageUnavailable: the database does not answer, or stays locked.
        """
        if self._waiting >= MOST_WAITING:
            raise StorageUnavailable(detail="too many callers wait for the database", retry_after_seconds=2)
        loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            return await loop.run_in_executor(
                self._pool, partial(_in_thread, partial(function, *args, **kwargs))
            )
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Waits for what runs, then closes the threads' connections."""
        for _ in range(self._size):
            self._pool.submit(connections.close_all)
        self._pool.shutdown(wait=True)


def _in_thread(job: Callable[[], R]) -> R:
    close_old_connections()
    try:
        return job()
    except (OperationalError, InterfaceError) as error:
        raise StorageUnavailable(detail=str(error), retry_after_seconds=2) from error
