"""Celery tasks: thin shells around functions that do the work."""

import structlog
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from chat.engine import retention

logger = structlog.get_logger(__name__)


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
