"""Celery tasks: thin shells around functions that do the work. And the door by which tasks are sent."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import structlog
from celery import Task, shared_task
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import LimitExceeded, OperationalError

from chat.engine import retention
from chat.webhooks.retention import prune_deliveries
from chat.wiring.webhooks import DELIVER, courier

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
    kept = timedelta(days=settings.WEBHOOK_DAYS)
    dropped["webhook_deliveries"] = prune_deliveries(timezone.now() - kept)
    logger.info("pruned", **dropped)
    return dropped


@shared_task(name=DELIVER)
def deliver_webhooks() -> int:
    """Sends what is due; how many attempts that were. Safe to be run early, twice, at once, or once too seldom."""
    return courier().deliver_due()
