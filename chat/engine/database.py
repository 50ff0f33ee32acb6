"""The one bridge from async code to the ORM: a few threads, each with a connection while it works."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import Error, InterfaceError, OperationalError, close_old_connections, connection, connections

from chat.engine.patience import patience, wanted_seconds
from chat.exceptions import StorageUnavailable

MOST_WAITING = 1000
RETRY_AFTER_SECONDS = 2
LEAST_SECONDS = 0.2
"""Who stood in line for nearly all of its time is still given so much with the database."""

READ_ONLY = "25006"
STALLED = "25P03"
LOCKED = "55P03"
GONE = ("08", "53", "57P", READ_ONLY)
"""Beginnings of SQLSTATEs of a server that serves nobody: no connection, no room, shutting down, a stand-by
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

P = ParamSpec("P")
R = TypeVar("R")


def is_unavailable(error: BaseException) -> bool:
    """Whether asking again later may help: the database is away, busy, locked or read-only."""
    return isinstance(error, OperationalError | InterfaceError) or _sqlstate(error) in {READ_ONLY, STALLED}


def is_locked(error: BaseException) -> bool:
    """Whether somebody else holds just what was asked for; the database itself answers."""
    return _sqlstate(error) == LOCKED


@contextmanager
def storage_errors() -> Iterator[None]:
    """
    Raises:
        StorageUnavailable: the database does not answer, stays locked, or may only be read.
    """
    try:
        yield
    except Error as error:
        if not is_unavailable(error):
            raise
        if _is_gone(error):
            _forget_idle_connections()
        detail = str(error).strip() or type(error).__name__
        raise StorageUnavailable(detail=detail, retry_after_seconds=RETRY_AFTER_SECONDS) from error


class DatabaseThreads:
    """Runs functions that use the ORM. More callers than threads wait in line; more than a thousand are refused.

    Unlike `sync_to_async`, nothing here is thread-sensitive: one slow query does not hold up everybody else.
    """

    def __init__(self, size: int = 8, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._waiting = 0
        self._waited_in_vain_at = -1.0
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="database")

    async def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """
        Raises:
            StorageUnavailable: the database does not answer, stays locked, or may only be read.
        """
        if self._waiting >= MOST_WAITING:
            raise _unavailable("too many callers wait for the database")
        job = partial(function, *args, **kwargs)
        seconds = wanted_seconds()
        # In the caller's context: lines that are logged there say whose they are.
        context = contextvars.copy_context()
        asked = self._pool.submit(context.run, self._in_thread, job, self._clock(), seconds)
        answer = asyncio.wrap_future(asked)
        self._waiting += 1
        try:
            await asyncio.wait([answer], timeout=seconds)
            if not answer.done() and asked.cancel():
                raise _unavailable("all who ask the database wait for it")
            return await answer
        except asyncio.CancelledError:
            answer.cancel()
            raise
        finally:
            self._waiting -= 1

    @property
    def busy(self) -> int:
        """Threads at work."""
        return min(self._waiting, self._size)

    @property
    def waiting(self) -> int:
        """Callers that no thread has come to yet."""
        return max(0, self._waiting - self._size)

    def close(self) -> None:
        """Waits for what runs, then closes the connections, those that nobody uses too."""
        for _ in range(self._size):
            self._pool.submit(connections.close_all)
        self._pool.shutdown(wait=True)
        if (pool := _pool()) is not None and not pool.closed:
            connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has it

    def _in_thread(self, job: Callable[[], R], asked_at: float, seconds: float) -> R:
        if self._waited_in_vain_at > asked_at:
            # Who stood in line meanwhile would only begin to wait now.
            raise _unavailable("the database was found away or locked by somebody who asked before")
        left = max(LEAST_SECONDS, seconds - (self._clock() - asked_at))
        close_old_connections()
        try:
            with storage_errors(), patience(left):
                return job()
        except StorageUnavailable as error:
            cause = error.__cause__
            if cause is not None and (_is_gone(cause) or _sqlstate(cause) == LOCKED):
                self._waited_in_vain_at = self._clock()
            raise
        finally:
            # A pooled connection goes back at once: an idle thread needs none.
            close_old_connections()


def _unavailable(detail: str) -> StorageUnavailable:
    return StorageUnavailable(detail=detail, retry_after_seconds=RETRY_AFTER_SECONDS)


def _is_gone(error: BaseException) -> bool:
    """Everybody meets this error now, not one statement alone; so it is with SQLite's, too."""
    sqlstate = _sqlstate(error)
    return sqlstate is None or sqlstate.startswith(GONE)


def _sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's code of what happened; None where no server has said it."""
    return getattr(error.__cause__, "sqlstate", None)


def _pool() -> Any:
    """psycopg's pool, None on SQLite."""
    return getattr(connection, "pool", None)


def _forget_idle_connections() -> None:
    """They lead to the server that is gone; the pool would find out one by one, a second each."""
    if (pool := _pool()) is not None and not pool.closed:
        pool.drain()
