"""Living processes, known by their heartbeat."""

from collections.abc import Collection
from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

from chat.models.base import Row


class NodeQuerySet(models.QuerySet["Node"]):
    def alive(self, lease_seconds: float | None) -> "NodeQuerySet":
        """Not known to have stopped, and heard of within the lease by the database's clock, if there is a lease."""
        going = self.filter(stopped_at=None)
        if lease_seconds is None:
            return going
        return going.filter(heartbeat_at__gt=Now() - timedelta(seconds=lease_seconds))

    def bury(self, births: Collection[str]) -> int:
        """These are gone, though their lease has not ended; how many were not known to be."""
        return self.filter(birth__in=births, stopped_at=None).update(stopped_at=Now())


class Node(Row):
    class Kind(models.TextChoices):
        WEB = "web"
        WORKER = "worker"

    kind = models.CharField(max_length=10, choices=Kind)
    host = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    birth = models.CharField(max_length=120, blank=True)
    """Which process it is among all that ever ran (chat/engine/neighbours.py); "" where the system does not tell."""
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    stopped_at = models.DateTimeField(null=True)

    objects = NodeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.kind} {self.host}:{self.pid}"
