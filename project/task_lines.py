"""Lines that are logged while a Celery task runs say which, and from which queue it came."""

from typing import Any

from celery import signals
from structlog.contextvars import bind_contextvars, reset_contextvars


def connect() -> None:
    """May be called twice: each is connected once."""
    signals.task_prerun.connect(_begin, dispatch_uid="task lines begin")
    signals.task_postrun.connect(_end, dispatch_uid="task lines end")
    # With this heard, a worker leaves the logs as Django's settings have made them.
    signals.setup_logging.connect(_leave_as_it_is, dispatch_uid="logs stay ours")


def _begin(task_id: str, task: Any, **_: Any) -> None:
    delivery = task.request.delivery_info or {}
    task.request.bound_lines = bind_contextvars(
        task=task.name, task_id=task_id, queue=delivery.get("routing_key") or ""
    )


def _end(task: Any, **_: Any) -> None:
    # A thread of a pool does the next task, too.
    reset_contextvars(**task.request.bound_lines)


def _leave_as_it_is(**_: Any) -> None:
    pass
