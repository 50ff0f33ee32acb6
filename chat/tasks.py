"""Celery tasks: thin shells around functions that do the work."""

from datetime import timedelta

import structlog
from axes.models import AccessLog
from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from chat.models import Node, SetupLink

logger = structlog.get_logger(__name__)

REMEMBER_NODES = timedelta(days=1)
REMEMBER_SIGN_INS = timedelta(days=90)


@shared_task
def prune() -> None:
    """Drops what has expired: sessions, dead nodes, used set-up links, sign-ins of three months ago."""
    now = timezone.now()
    sessions, _ = Session.objects.filter(expire_date__lt=now).delete()
    nodes, _ = Node.objects.filter(heartbeat_at__lt=now - REMEMBER_NODES, runs=None).delete()
    AccessLog.objects.filter(attempt_time__lt=now - REMEMBER_SIGN_INS).delete()
    links, _ = SetupLink.objects.filter(used_at__lt=now - REMEMBER_NODES).delete()
    logger.info("pruned", sessions=sessions, nodes=nodes, links=links)
