"""Tool invocations: one call of one tool, from the model's words to the one recorded result."""

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.db.models import F
from django.db.models.functions import Now

from chat.models.base import Row
from chat.models.nodes import Node

if TYPE_CHECKING:
    from chat.models.users import User

UNDER_WAY = ("pending", "waiting", "running")


class ToolInvocationQuerySet(models.QuerySet["ToolInvocation"]):
    def visible_to(self, user: "User") -> "ToolInvocationQuerySet":
        return self.filter(user=user)

    def open(self) -> "ToolInvocationQuerySet":
        return self.filter(status__in=UNDER_WAY)

    def of_step(self, run: UUID, step: int) -> "ToolInvocationQuerySet":
        """In the order in which the model asked for them."""
        return self.filter(run=run, step=step).order_by("position")

    def claim(self, key: UUID, *, node: UUID | None, birth: str) -> int | None:
        """A worker begins: the epoch that every write of its has to name; None where there is nothing to begin."""
        mine = self.filter(pk=key, status=ToolInvocation.Status.PENDING)
        seen = mine.values_list("epoch", flat=True).first()
        if seen is None:
            return None
        claimed = mine.filter(epoch=seen).update(
            status=ToolInvocation.Status.RUNNING,
            epoch=seen + 1,
            attempts=F("attempts") + 1,
            node=node,
            worker_birth=birth,
            started_at=Now(),
        )
        return seen + 1 if claimed else None

    def write(self, key: UUID, *, epoch: int, **values: Any) -> bool:
        """Changes one that this epoch runs. False: it is not ours any more; nothing was written."""
        return bool(self.filter(pk=key, epoch=epoch, status=ToolInvocation.Status.RUNNING).update(**values))

    def finish(self, key: UUID, *, epoch: int, status: str, **values: Any) -> bool:
        """The one recorded result. False: somebody else has recorded one, or runs it now."""
        return self.write(key, epoch=epoch, status=status, finished_at=Now(), **values)

    def orphaned(self, lease_seconds: float) -> "ToolInvocationQuerySet":
        """Running ones of workers that do not live."""
        living = Node.objects.alive(lease_seconds).values("pk")
        return self.filter(status=ToolInvocation.Status.RUNNING).exclude(node__in=living)

    def undelivered(self, after_seconds: float) -> "ToolInvocationQuerySet":
        """Given out so long ago and claimed by nobody: a broker lost them, or all workers are busy."""
        return self.filter(
            status=ToolInvocation.Status.PENDING,
            dispatched_at__lt=Now() - timedelta(seconds=after_seconds),
        )

    def late(self) -> "ToolInvocationQuerySet":
        """Nobody has answered in time."""
        return self.filter(status=ToolInvocation.Status.WAITING, deadline_at__lte=Now())

    def answer(self, key: UUID, *, waits_for: str, **values: Any) -> bool:
        """What was waited for has come. False: it does not wait for that, or not any more; nothing was written."""
        waiting = self.filter(pk=key, status=ToolInvocation.Status.WAITING, waits_for=waits_for)
        in_time = waiting.filter(models.Q(deadline_at=None) | models.Q(deadline_at__gt=Now()))
        return bool(in_time.update(waits_for="", **values))

    def cancel(self, keys: Collection[UUID]) -> int:
        """Those that have no result yet get none any more."""
        return (
            self.open()
            .filter(pk__in=keys)
            .update(status=ToolInvocation.Status.CANCELLED, epoch=F("epoch") + 1, finished_at=Now())
        )


class ToolInvocation(Row):
    """Unique per step and the provider's id of the call. `arguments` and `result` are what was said, to the letter."""

    class Status(models.TextChoices):
        PENDING = "pending"
        WAITING = "waiting"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        REJECTED = "rejected"
        CANCELLED = "cancelled"
        TIMED_OUT = "timed_out"
        UNKNOWN = "unknown"
        """Its worker died, and nobody knows what it had done."""

    class Kind(models.TextChoices):
        LOCAL = "local"
        WEBHOOK = "webhook"
        CLIENT = "client"
        NONE = "none"
        """There is no such tool, or it may not be used: answered without running anything."""

    class Waits(models.TextChoices):
        APPROVAL = "approval"
        CALLBACK = "callback"
        CLIENT = "client"

    user = models.ForeignKey("chat.User", models.CASCADE, related_name="invocations")
    conversation = models.ForeignKey("chat.Conversation", models.CASCADE, related_name="invocations")
    run = models.ForeignKey("chat.Run", models.CASCADE, related_name="invocations")
    step = models.PositiveSmallIntegerField()
    position = models.PositiveSmallIntegerField(default=0)
    call_id = models.CharField(max_length=200)
    """The provider's."""
    opaque = models.JSONField(null=True)
    """Goes back to the provider with the call."""
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=Kind)
    queue = models.CharField(max_length=40, blank=True)
    arguments = models.TextField()
    edited_arguments = models.TextField(blank=True)
    """By whoever approved it; "" where they are as the model wrote them."""

    status = models.CharField(max_length=12, choices=Status, default=Status.PENDING)
    waits_for = models.CharField(max_length=10, choices=Waits, blank=True)
    epoch = models.PositiveIntegerField(default=0)
    """How many times it has been claimed; the fencing token."""
    attempts = models.PositiveSmallIntegerField(default=0)
    node = models.ForeignKey(Node, models.SET_NULL, null=True, related_name="invocations")
    worker_birth = models.CharField(max_length=120, blank=True)
    """Which process runs it: on its own machine its death shows before its node's lease ends."""
    fraction = models.FloatField(null=True)
    note = models.CharField(max_length=300, blank=True)

    result = models.TextField(blank=True)
    shown = models.TextField(blank=True)
    """What the model is given, where that is not the whole result."""

    created_at = models.DateTimeField(db_default=Now())
    dispatched_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    decided_by = models.ForeignKey("chat.User", models.SET_NULL, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decision = models.CharField(max_length=10, blank=True)
    reason = models.CharField(max_length=1000, blank=True)

    objects = ToolInvocationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "step", "call_id"], name="one_invocation_of_a_call")
        ]
        indexes = [
            models.Index(
                fields=["status", "dispatched_at"],
                name="invocation_open",
                condition=models.Q(status__in=UNDER_WAY),
            ),
            models.Index(fields=["user", "-created_at"], name="invocation_by_user"),
            models.Index(
                fields=["deadline_at"],
                name="invocation_deadline",
                condition=models.Q(status="waiting"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.status}"

    @property
    def ended(self) -> bool:
        return self.status not in UNDER_WAY

    @property
    def effective_arguments(self) -> str:
        return self.edited_arguments or self.arguments

    @property
    def for_model(self) -> str:
        return self.shown or self.result
