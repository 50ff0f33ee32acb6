"""What log lines say of their own accord: the run, the socket, the request or the task they belong to.

Bound to the context of a task or a thread, so that whatever logs there, and whatever it calls, says it too.
"""

from collections.abc import Callable
from contextvars import Context
from typing import ParamSpec, TypeVar

from structlog.contextvars import bind_contextvars

P = ParamSpec("P")
R = TypeVar("R")


def apart(function: Callable[P, R], *arguments: P.args, **names: P.kwargs) -> R:
    """Calls it in a context of its own: it is not part of what happens to call it first."""
    return Context().run(function, *arguments, **names)


def about(**names: object) -> None:
    """All lines from here on, in this task or thread and in what it begins, have these names."""
    bind_contextvars(**names)
