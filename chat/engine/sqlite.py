"""SQLite's one write lock, waited for in a line.

SQLite itself has no line: who is refused sleeps for longer and longer, up to 100 ms, and who came just now, mostly
the writer that has just had it, takes the lock in the gaps. (Six processes that write without pause: 4 of 4,000
transactions gave up after 1.5 s; with everybody asking equally often none did, but one in a hundred waited for more
than 150 ms.) Here whoever wants the lock first takes a turn, a lock on a file beside the database, for which the system
wakes the next; only who has the turn asks SQLite, often, and passes it on with the lock in hand.
"""

import fcntl
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

ASK_EACH_SECONDS = 0.0005
"""One asks at a time, so it may be often: this is how long the lock lies idle between two writers."""
PRIMARY_CODE = 0xFF
"""Result codes have their kind in the lowest byte (https://sqlite.org/rescode.html)."""
READING = ("SELECT", "PRAGMA", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT", "EXPLAIN", "WITH")
"""How statements begin that need no turn. One of these that finds the database locked asks without."""

Execute = Callable[[str, Any, bool, dict[str, Any]], Any]


def wait_in_turns(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """For each new connection: a receiver of Django's `connection_created`."""
    if connection.vendor != "sqlite":
        return
    connection.connection.execute("PRAGMA busy_timeout = 0")
    if not any(isinstance(one, InTurn) for one in connection.execute_wrappers):
        connection.execute_wrappers.append(InTurn(f"{connection.settings_dict['NAME']}-turn"))


class InTurn:
    """An execute wrapper of one connection.

    Whoever has a turn keeps it for `DATABASE_WAIT_SECONDS` at most, so the line moves; the line itself has no limit of
    time, since the system has no lock that keeps the order and has one.
    """

    def __init__(self, path: str) -> None:
        self._file: int | None = None
        # Where none can be made (a database in memory, a folder that may only be read) there is no line.
        with suppress(OSError):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            weakref.finalize(self, os.close, self._file)

    def __call__(self, execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        # In a transaction the lock is ours already.
        if context["connection"].in_atomic_block:
            return execute(sql, params, many, context)
        give_up_at = time.monotonic() + settings.DATABASE_WAIT_SECONDS
        if sql.lstrip()[:9].upper().startswith(READING):
            return _ask(lambda: execute(sql, params, many, context), give_up_at)
        with self._turn():
            # Whose time has passed in the line asks once.
            return _ask(lambda: execute(sql, params, many, context), give_up_at)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._file is None:
            yield
            return
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def _ask(execute: Callable[[], Any], give_up_at: float) -> Any:
    while True:
        try:
            return execute()
        except OperationalError as error:
            # What found it taken has had no effect, and may be tried again.
            if not _is_busy(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(ASK_EACH_SECONDS)


def _is_busy(error: OperationalError) -> bool:
    code = getattr(error.__cause__, "sqlite_errorcode", 0)
    return bool(code & PRIMARY_CODE == sqlite3.SQLITE_BUSY)
