"""Celery tasks: thin shells around functions that do the work. And the door by which tasks are sent."""

import time
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import structlog
from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import LimitExceeded, OperationalError

from chat import wiring
from chat.engine import retention, tool_work
from chat.engine.worker_node import own_node

logger = structlog.get_logger(__name__)

AWAY_SECONDS: Final = 1.0
"""For so long after a failure nobody tries: a broker that hangs costs each try two seconds or three."""


class Sender:
    """Sends tasks without holding anybody up.

    The database, not the broker, is what remembers: whatever must happen is a row that a sweep finds again. So a task
    that could not be sent is only late.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._away_until = float("-inf")

    def __call__(self, task: "Task[Any, Any]", *arguments: Any, **options: Any) -> bool:
        """False where the broker is away; `options` are those of `apply_async`."""
        if self._clock() < self._away_until:
            return False
        try:
            task.apply_async(arguments, **options)
        except (OperationalError, LimitExceeded) as error:
            self._away_until = self._clock() + AWAY_SECONDS
            logger.warning("task not sent", task=task.name, reason=str(error) or type(error).__name__)
            return False
        return True


send = Sender(time.monotonic)


@shared_task
def prune() -> dict[str, int]:
    """Drops what has expired; returns how many of each."""
    dropped = retention.prune(
        timezone.now(),
        wire_log_days=settings.WIRE_LOG_DAYS,
        wire_log_bytes=settings.WIRE_LOG_TOTAL_BYTES,
    )
    logger.info("pruned", **dropped)
    return dropped


@shared_task(name="tools.call")
def call_tool(invocation: str) -> str:
    """Runs one tool invocation, if nobody else does."""
    runtime = wiring.running()
    node = runtime.node if runtime is not None else own_node()
    return tool_work.work(
        UUID(invocation), node=node, told=wiring.tell_of_tool, interrupts=(SoftTimeLimitExceeded,)
    )
