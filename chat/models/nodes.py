"""Living processes, known by their heartbeat."""

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

from chat.models.base import Row


class NodeQuerySet(models.QuerySet["Node"]):
    def alive(self, lease_seconds: float) -> "NodeQuerySet":
        """Heard of within the lease, by the database's clock."""
        return self.filter(heartbeat_at__gt=Now() - timedelta(seconds=lease_seconds), stopped_at=None)


class Node(Row):
    class Kind(models.TextChoices):
        WEB = "web"
        WORKER = "worker"

    kind = models.CharField(max_length=10, choices=Kind)
    host = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    stopped_at = models.DateTimeField(null=True)

    objects = NodeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.kind} {self.host}:{self.pid}"
