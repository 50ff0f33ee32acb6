"""SQLite's one write lock, waited for so that nobody is passed over.

SQLite itself sleeps for longer and longer, up to 100 ms, and has no line: where many write, those who came just now
get the lock in the gaps, and who has waited for a second goes on sleeping. (Six processes that write without pause:
4 of 4,000 transactions gave up after 1.5 s.) Here everybody asks equally often, from the first millisecond to the last.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

ROUND_MS = 20
"""SQLite's own waiting within one round: it asks after 1, 3, 8 and 18 ms."""
PRIMARY_CODE = 0xFF
"""Result codes have their kind in the lowest byte (https://sqlite.org/rescode.html)."""

Execute = Callable[[str, Any, bool, dict[str, Any]], Any]


def wait_in_turns(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """For each new connection: a receiver of Django's `connection_created`."""
    if connection.vendor != "sqlite":
        return
    connection.connection.execute(f"PRAGMA busy_timeout = {ROUND_MS}")
    if _ask_again not in connection.execute_wrappers:
        connection.execute_wrappers.append(_ask_again)


def _ask_again(execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    give_up_at = time.monotonic() + settings.DATABASE_WAIT_SECONDS
    while True:
        try:
            return execute(sql, params, many, context)
        except OperationalError as error:
            # In a transaction the lock is ours already. What found it taken has had no effect, and may be tried again.
            if context["connection"].in_atomic_block or not _is_busy(error) or time.monotonic() > give_up_at:
                raise


def _is_busy(error: OperationalError) -> bool:
    code = getattr(error.__cause__, "sqlite_errorcode", 0)
    return bool(code & PRIMARY_CODE == sqlite3.SQLITE_BUSY)
