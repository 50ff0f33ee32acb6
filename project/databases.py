"""The one database: SQLite in a file of ours, or a PostgreSQL that several processes share."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import dj_database_url

POOL_LEAST = 2
"""Connections that stay open when nobody asks."""
MOST_WAITING = 1000
RECONNECT_SECONDS = 1.0
"""The pool gives a connection up so soon; whoever asks next makes it try again, so that a server that was away for a
while is not found seconds after it came back."""
UNANSWERED_MS = 5000
"""A line on which nothing is acknowledged for this long counts as cut. Without it a vanished machine is noticed after
a quarter of an hour."""


class DatabaseLimits(NamedTuple):
    """Seconds, but for the pool's size. Zero of `statement` or `idle_in_transaction` means: without end."""

    wait: float
    pool: int
    statement: float
    idle_in_transaction: float


def database(url: str, limits: DatabaseLimits) -> dict[str, Any]:
    """Django's settings for it. Options of the URL's query (`?sslmode=require`) win over ours."""
    found: dict[str, Any] = dict(dj_database_url.parse(url))
    options = found.get("OPTIONS", {})
    if found["ENGINE"].endswith("sqlite3"):
        found["CONN_MAX_AGE"] = None
        found["OPTIONS"] = {**_sqlite(limits), **options}
    else:
        # A pool keeps the connections; Django must not keep them as well.
        found["CONN_MAX_AGE"] = 0
        found["CONN_HEALTH_CHECKS"] = True
        found["OPTIONS"] = {**_postgresql(limits), **options}
    return found


def _sqlite(limits: DatabaseLimits) -> dict[str, Any]:
    # WAL lets readers read while one writes. IMMEDIATE takes the write lock at BEGIN, where the busy timeout
    # is honoured; SQLite's default of upgrading in the middle fails at once with "database is locked".
    return {
        "transaction_mode": "IMMEDIATE",
        "timeout": limits.wait,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
    }


def _postgresql(limits: DatabaseLimits) -> dict[str, Any]:
    from project.postgresql import ImpatientConnection

    bounds = {
        "lock_timeout": limits.wait,
        "statement_timeout": limits.statement,
        "idle_in_transaction_session_timeout": limits.idle_in_transaction,
    }
    return {
        "pool": {
            "connection_class": ImpatientConnection,
            "min_size": POOL_LEAST,
            "max_size": limits.pool,
            "timeout": limits.wait,
            "max_waiting": MOST_WAITING,
            "reconnect_timeout": RECONNECT_SECONDS,
        },
        # Said while connecting: no round trip of its own. PgBouncer has to be told to let it pass (docs/operations.md).
        "options": " ".join(
            f"-c {name}={round(seconds * 1000)}" for name, seconds in bounds.items() if seconds
        ),
        "connect_timeout": max(2, math.ceil(limits.wait)),
        "tcp_user_timeout": UNANSWERED_MS,
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "application_name": "lectern",
    }


@contextmanager
def without_time_limits(cursor: Any) -> Iterator[None]:
    """What changes tables may take its time. The limits are the session's own ones again afterwards."""
    cursor.execute("SET statement_timeout = 0; SET lock_timeout = 0")
    try:
        yield
    finally:
        cursor.execute("RESET statement_timeout; RESET lock_timeout")
