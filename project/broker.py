"""Where tasks wait for a worker: in the memory of one process, or in a Redis that all processes share."""

from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, quote, urlencode, urlsplit

IN_MEMORY: Final = "memory://localhost/"
KEY_PREFIX: Final = "lectern:celery:"
"""Before every key and channel: the same Redis holds events and limits, and may hold other people's Celery."""

REACH_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 2.0
"""Redis answers a worker that waits for tasks at least once a second (`brpop_timeout` of the transport), so whoever
says nothing for two is gone. Left out, kombu asks redis-py to wait for ever."""
SILENCE_SECONDS: Final = 5
"""A connection that was idle for so long is tried with a PING before it is used; a worker's wait for tasks that is
overdue by as much is begun anew."""
RESTORE_SECONDS: Final = 5
"""Between two looks for tasks that were given out and neither done nor given back in time."""

PUBLISH_RETRY: Final = {"max_retries": 0}
"""Whoever sends has to live without an answer: each try may take as long as the one before. A connection that Redis has
closed meanwhile is no failure, redis-py looks before it takes one."""
PRODUCER_SECONDS: Final = 2.0
"""The longest wait for one of the process's connections to send by, when all are in use."""


def celery_url(url: str) -> str:
    """Celery's spelling of a URL as redis-py reads it; the broker inside the process where there is none.

    Of the query only what TLS needs is kept: kombu takes the rest for arguments of its own.
    """
    if not url or url.startswith("memory:"):
        return IN_MEMORY
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.scheme == "unix":
        return _socket_url(parts, query)
    database = query.get("db") or parts.path.strip("/") or "0"
    tls = {name: value for name, value in query.items() if name.startswith("ssl_")}
    if parts.scheme == "rediss":
        tls.setdefault("ssl_cert_reqs", "required")
    return f"{parts.scheme}://{parts.netloc}/{database}" + (f"?{urlencode(tls)}" if tls else "")


def _socket_url(parts: SplitResult, query: dict[str, str]) -> str:
    password = query.get("password", "")
    given = f"{quote(query.get('username', ''))}:{quote(password)}@" if password else ""
    place = parts.netloc if parts.username or parts.password else given
    return f"redis+socket://{place}{parts.path}?virtual_host={query.get('db', '0')}"


def transport_options(url: str, *, task_seconds: float) -> dict[str, Any]:
    """What kombu's Redis transport is told; nothing for the broker inside the process."""
    if url == IN_MEMORY:
        return {}
    return {
        "global_keyprefix": KEY_PREFIX,
        # A task is killed after `task_seconds`, so it is not given out twice while it runs. Threads cannot be killed:
        # what runs on them must end by itself, or stand being run twice.
        "visibility_timeout": round(2 * task_seconds),
        "unacked_restore_interval": RESTORE_SECONDS,
        "unacked_restore_throttle": 1,
        # Who dies while it looks holds the others up for so long (300 by default).
        "unacked_mutex_expire": 30,
        # Of who sends: four seconds and more if left out. A worker has a patience of its own (project/reconnecting.py).
        "max_retries": 0,
        "socket_connect_timeout": REACH_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "socket_keepalive": True,
        "health_check_interval": SILENCE_SECONDS,
        # Every thread of a pool may acknowledge at the same time (10 by default, then an error).
        "max_connections": 100,
    }
