"""How long who asks the database waits for each answer of it; kept to by the connection (project/postgresql.py).

A server that is gone says so. One that hangs, with its disk or its machine, leaves the lines open and says nothing: who
asks then would wait for as long as it hangs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings

UNHURRIED_SECONDS = 10.0
"""For what is written in the background: asking again costs more than waiting, while not everything is lost."""

_seconds: ContextVar[float | None] = ContextVar("how long a connection waits for an answer", default=None)
_wanted: ContextVar[float | None] = ContextVar(
    "how long whoever asks the threads wants to wait", default=None
)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """For connections that are used inside, here and where this context is copied to."""
    token = _seconds.set(seconds)
    try:
        yield
    finally:
        _seconds.reset(token)


def seconds_of_patience() -> float | None:
    """None: for ever."""
    return _seconds.get()


@contextmanager
def unhurried() -> Iterator[None]:
    """For what is asked of `DatabaseThreads` inside. A variable of its own: what a thread was given must not stick to
    the tasks that begin in it."""
    token = _wanted.set(UNHURRIED_SECONDS)
    try:
        yield
    finally:
        _wanted.reset(token)


def wanted_seconds() -> float:
    return _wanted.get() or in_a_hurry()


def in_a_hurry() -> float:
    """Of somebody who is waited for."""
    return float(settings.DATABASE_WAIT_SECONDS)
