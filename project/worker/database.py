"""Database connections of a worker process.

Celery closes them before and after each task, and in a prefork worker the whole pool as well. Here they are kept as
between requests: a child's one connection stays open, a thread's goes back into the pool. The setting
CELERY_DB_REUSE_MAX keeps Celery from it.
"""

from typing import Any, Final

from celery import signals
from django.db import DEFAULT_DB_ALIAS, close_old_connections, connections

CHILD_KEEPS_SECONDS: Final = 600
"""A session of PostgreSQL grows with what it has seen; SQLite's settings say themselves how long."""


def prepare(*, pooled: bool) -> None:
    """In the worker's parent, before it has children."""
    connections.close_all()
    if not pooled:
        _leave_pool(connections.settings[DEFAULT_DB_ALIAS])
    signals.task_prerun.connect(_close_old_connections, weak=False)
    signals.task_postrun.connect(_close_old_connections, weak=False)


def _leave_pool(database: dict[str, Any]) -> None:
    """A pool has threads and open sockets, which no fork may copy; and a child needs but one connection."""
    if database["OPTIONS"].pop("pool", None):
        database["CONN_MAX_AGE"] = CHILD_KEEPS_SECONDS


def _close_old_connections(sender: Any, **_: Any) -> None:
    if not sender.request.is_eager:
        close_old_connections()
