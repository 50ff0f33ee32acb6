"""Tool invocations: one call of one tool, from the model's words to the one recorded result."""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models, transaction
from django.db.models import DateTimeField, Exists, ExpressionWrapper, F, OuterRef
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from chat.models.base import Row
from chat.models.nodes import Node
from chat.models.webhooks import WebhookEndpoint

if TYPE_CHECKING:
    from chat.models.users import User

UNDER_WAY = ("pending", "waiting", "running")

TellInvocations = Callable[[Collection[UUID]], object]
"""Called with the keys of invocations inside the transaction in which they began to wait or have ended, by whoever won
that change: once for each change, in one call for all of them, and not at all where nothing was changed. It reads from
the rows what it needs. What it raises undoes the change."""


def tell_nobody(_keys: Collection[UUID]) -> None:
    """For whoever has nobody to tell."""


def _from_now(seconds: float) -> Combinable:
    """By the database's clock."""
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())


class ToolInvocationQuerySet(models.QuerySet["ToolInvocation"]):
    def visible_to(self, user: "User") -> "ToolInvocationQuerySet":
        return self.filter(user=user)

    def open(self) -> "ToolInvocationQuerySet":
        return self.filter(status__in=UNDER_WAY)

    def at_a_worker(self) -> "ToolInvocationQuerySet":
        """On their way there, too."""
        sent = models.Q(status=ToolInvocation.Status.PENDING, dispatched_at__isnull=False)
        return self.filter(models.Q(status=ToolInvocation.Status.RUNNING) | sent)

    def of_step(self, run: UUID, step: int) -> "ToolInvocationQuerySet":
        """In the order in which the model asked for them."""
        return self.filter(run=run, step=step).order_by("position")

    def claim(self, key: UUID, *, node: UUID | None, birth: str, seconds: float | None = None) -> int | None:
        """A worker begins: the epoch that every write of its has to name; None where there is nothing to begin.

        After `seconds` nobody waits for its result any more.
        """
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
            deadline_at=None if seconds is None else _from_now(seconds),
            fraction=None,
            note="",
        )
        return seen + 1 if claimed else None

    def write(self, key: UUID, *, epoch: int, **values: Any) -> bool:
        """Changes one that this epoch runs. False: it is not ours any more; nothing was written."""
        return bool(self.filter(pk=key, epoch=epoch, status=ToolInvocation.Status.RUNNING).update(**values))

    def finish(self, key: UUID, *, epoch: int, status: str, tell: TellInvocations, **values: Any) -> bool:
        """The one recorded result. False: somebody else has recorded one, or runs it now."""
        with transaction.atomic():
            won = self.write(key, epoch=epoch, status=status, finished_at=Now(), **values)
            if won:
                tell([key])
        return won

    def wait(
        self, key: UUID, *, epoch: int, waits_for: str, seconds: float, tell: TellInvocations, **values: Any
    ) -> bool:
        """Whoever runs it has handed it to somebody outside, who has so long to answer. False: it is not ours any
        more."""
        values |= {"waits_for": waits_for, "deadline_at": _from_now(seconds)}
        with transaction.atomic():
            won = self.write(key, epoch=epoch, status=ToolInvocation.Status.WAITING, **values)
            if won:
                tell([key])
        return won

    def hold(self, key: UUID, *, seconds: float, tell: TellInvocations) -> bool:
        """It is not run before somebody has agreed, for which there are so many seconds. False: it is not pending, or
        somebody has agreed since."""
        pending = self.filter(pk=key, status=ToolInvocation.Status.PENDING).exclude(decision="approve")
        with transaction.atomic():
            held = bool(
                pending.update(
                    status=ToolInvocation.Status.WAITING,
                    waits_for=ToolInvocation.Waits.APPROVAL,
                    deadline_at=_from_now(seconds),
                    dispatched_at=None,
                )
            )
            if held:
                tell([key])
        return held

    def put_off(self, key: UUID, *, epoch: int, seconds: float) -> bool:
        """Whoever runs it could not, now: it is to be given out again, not before so many seconds have gone by."""
        return self.write(
            key,
            epoch=epoch,
            status=ToolInvocation.Status.PENDING,
            dispatched_at=None,
            deadline_at=None,
            due_at=_from_now(seconds),
        )

    def late(self) -> "ToolInvocationQuerySet":
        """Nobody has answered in time."""
        return self.filter(status=ToolInvocation.Status.WAITING, deadline_at__lte=Now())

    def answer(self, key: UUID, *, waits_for: str, status: str, tell: TellInvocations, **values: Any) -> bool:
        """What was waited for has come: it has ended, or is to be run. False: it does not wait for that, or not any
        more; nothing was written."""
        waiting = self.filter(pk=key, status=ToolInvocation.Status.WAITING, waits_for=waits_for)
        in_time = waiting.filter(models.Q(deadline_at=None) | models.Q(deadline_at__gt=Now()))
        with transaction.atomic():
            won = bool(in_time.update(waits_for="", status=status, **values))
            if won and status not in UNDER_WAY:
                tell([key])
        return won

    def end(self, *, tell: TellInvocations, **values: Any) -> list[UUID]:
        """Those among them that have no result yet get this one; which ones they are."""
        with transaction.atomic():
            # Locked first, so that it is known which ones are ended here, and by nobody else. SQLite has one writer.
            keys = list(self.open().select_for_update().order_by("pk").values_list("pk", flat=True))
            if keys:
                ToolInvocation.objects.filter(pk__in=keys).update(waits_for="", finished_at=Now(), **values)
                tell(keys)
        return keys

    def called(self) -> "ToolInvocationQuerySet":
        """Webhook tools' that were sent out, have no result, and have time left: whoever was called may answer, also
        before we know what it said to the call itself."""
        sent = models.Q(status=ToolInvocation.Status.RUNNING) | models.Q(
            status=ToolInvocation.Status.WAITING, waits_for=ToolInvocation.Waits.CALLBACK
        )
        tried = models.Q(status=ToolInvocation.Status.PENDING, attempts__gt=0)
        in_time = models.Q(deadline_at=None) | models.Q(deadline_at__gt=Now())
        return self.filter(sent | tried, in_time, kind=ToolInvocation.Kind.WEBHOOK)

    def answer_call(self, key: UUID, *, tell: TellInvocations, **values: Any) -> bool:
        """The result of a webhook tool. False: nobody asks for it, or not any more; nothing was written."""
        # The epoch as well: a worker that is still in the middle of the call records nothing any more.
        called = self.called().filter(pk=key)
        with transaction.atomic():
            won = bool(called.update(waits_for="", epoch=F("epoch") + 1, finished_at=Now(), **values))
            if won:
                tell([key])
        return won

    def put_back(self, key: UUID, *, epoch: int) -> bool:
        """Its worker is dead: whoever claims it next runs it anew. The old epoch records nothing any more."""
        lost = self.filter(pk=key, epoch=epoch, status=ToolInvocation.Status.RUNNING)
        return bool(
            lost.update(
                status=ToolInvocation.Status.PENDING,
                epoch=epoch + 1,
                dispatched_at=None,
                deadline_at=None,
                node=None,
            )
        )

    def with_life(self, lease_seconds: float | None) -> "ToolInvocationQuerySet":
        """Each with `lives`: whether its worker's node does, as far as the database knows."""
        living = Node.objects.alive(lease_seconds).filter(pk=OuterRef("node"))
        return self.annotate(lives=Exists(living))

    def unwanted(self, keys: Collection[UUID], since_seconds: float) -> "ToolInvocationQuerySet":
        """Those of them that have had their result for so long: whoever still runs them does it in vain."""
        before = Now() - timedelta(seconds=since_seconds)
        return self.filter(pk__in=keys, finished_at__lt=before).exclude(status__in=UNDER_WAY)

    def cancel_all(self, *, tell: TellInvocations) -> int:
        """Those among them that have no result yet get none any more; how many."""
        return len(self.end(status=ToolInvocation.Status.CANCELLED, epoch=F("epoch") + 1, tell=tell))

    def cancel(self, keys: Collection[UUID], *, tell: TellInvocations) -> int:
        return self.filter(pk__in=keys).cancel_all(tell=tell)

    def heard_of(self) -> "ToolInvocationQuerySet":
        """Those whose user has a system that is told of events; for anybody else it is a look into an index."""
        endpoints = WebhookEndpoint.objects.filter(owner=OuterRef("user"), enabled=True)
        return self.filter(Exists(endpoints))


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

    user = models.ForeignKey("chat.User", models.CASCADE, related_name="invocations", db_index=False)
    conversation = models.ForeignKey("chat.Conversation", models.CASCADE, related_name="invocations")
    run = models.ForeignKey("chat.Run", models.CASCADE, related_name="invocations", db_index=False)
    """The unique constraint begins with it."""
    step = models.PositiveSmallIntegerField()
    position = models.PositiveSmallIntegerField(default=0)
    call_id = models.CharField(max_length=200)
    """The provider's."""
    opaque = models.JSONField(null=True)
    """Goes back to the provider with the call."""
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=Kind)
    webhook_tool = models.ForeignKey(
        "chat.WebhookTool", models.SET_NULL, null=True, related_name="invocations"
    )
    """Of the kind `webhook`: whose server runs it, and whose secrets sign; null where staff have removed it since."""
    queue = models.CharField(max_length=40, blank=True)
    arguments = models.TextField()
    edited_arguments = models.TextField(blank=True)
    """By whoever approved it; "" where they are as the model wrote them."""

    status = models.CharField(max_length=12, choices=Status, default=Status.PENDING)
    waits_for = models.CharField(max_length=10, choices=Waits, blank=True)
    epoch = models.PositiveIntegerField(default=0)
    """Raised by each claim, and where a dead worker loses it; the fencing token."""
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
    due_at = models.DateTimeField(null=True)
    """Pending, and not to be given out before."""
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
            # What the admin's list goes by, alone and with each of its filters.
            models.Index(fields=["created_at"], name="invocation_by_time"),
            models.Index(fields=["status", "created_at"], name="invocation_by_status"),
            models.Index(fields=["kind", "created_at"], name="invocation_by_kind"),
            models.Index(fields=["name", "created_at"], name="invocation_by_name"),
            models.Index(fields=["queue", "created_at"], name="invocation_by_queue"),
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
    def took_ms(self) -> int | None:
        """From its start, or from when it was asked for where nothing was run, to its result; None before that."""
        if self.finished_at is None:
            return None
        took = self.finished_at - (self.started_at or self.created_at)
        return max(0, round(took.total_seconds() * 1000))

    @property
    def effective_arguments(self) -> str:
        return self.edited_arguments or self.arguments

    @property
    def for_model(self) -> str:
        return self.shown or self.result


class LateResult(Row):
    """What a worker brought when its invocation had another result, or another worker: kept, and not applied."""

    invocation = models.ForeignKey(ToolInvocation, models.CASCADE, related_name="late_results")
    epoch = models.PositiveIntegerField()
    """Under which it was made."""
    status = models.CharField(max_length=12)
    result = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.status}, epoch {self.epoch}"
