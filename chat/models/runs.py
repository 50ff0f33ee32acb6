"""Runs: one answer being made, from the user's message to a terminal state."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models, transaction
from django.db.models.functions import Now

from chat.events.run_events import ENDED
from chat.exceptions import StaleEpoch
from chat.models.base import Row, second_of
from chat.models.nodes import Node

if TYPE_CHECKING:
    from chat.models.users import User


class RunQuerySet(models.QuerySet["Run"]):
    def visible_to(self, user: "User") -> "RunQuerySet":
        return self.filter(user=user)

    def open(self) -> "RunQuerySet":
        return self.filter(finished_at=None)

    def orphaned(self, lease_seconds: float | None) -> "RunQuerySet":
        """Open runs that nobody works on: given up, or of nodes that have stopped, or, with a lease, of nodes not
        heard of for as long."""
        return self._workable().exclude(node__in=Node.objects.alive(lease_seconds).values("pk"))

    def lost_by(
        self, node: UUID, lease_seconds: float, *, made_here: Collection[str]
    ) -> list[tuple[UUID, int]]:
        """Key and epoch of the runs that `node` has claimed longer than a lease ago and does not make."""
        mine = self._workable().filter(node=node)
        # Nearly always it makes what it has: a count is cheap, hundreds of keys are not.
        if mine.count() <= len(made_here):
            return []
        claimed = mine.filter(claimed_at__lte=Now() - timedelta(seconds=lease_seconds))
        return [
            (key, epoch) for key, epoch in claimed.values_list("pk", "epoch") if str(key) not in made_here
        ]

    def _workable(self) -> "RunQuerySet":
        return self.open().exclude(status=Run.Status.WAITING)

    def claim(self, run: UUID, *, seen_epoch: int, node: UUID) -> bool:
        """Takes a run over, if nobody else has since `seen_epoch`; raises its epoch. True: it is ours now.

        What is stored comes before the first event of the new epoch, whatever its number was in the old one.

        A row that is locked is not waited for: whoever sleeps in the middle of a transaction keeps it, and other runs
        wait for us. (SQLite has no locks of rows, and ignores it.)
        """
        with transaction.atomic():
            seen = self.open().filter(pk=run, epoch=seen_epoch)
            if not seen.select_for_update(skip_locked=True).values_list("pk"):
                return False
            return bool(
                seen.update(
                    epoch=seen_epoch + 1,
                    takeovers=models.F("takeovers") + 1,
                    last_seq=0,
                    node_id=node,
                    status=Run.Status.RUNNING,
                    claimed_at=Now(),
                )
            )

    def wake(self, run: UUID) -> bool:
        """Somebody has answered what a parked run waits for: whoever claims it may go on. False: it is not parked."""
        parked = self.filter(pk=run, status=Run.Status.WAITING)
        return bool(parked.update(status=Run.Status.QUEUED, node=None))

    def write(self, run: UUID, *, epoch: int, **values: Any) -> None:
        """Changes a run that is still ours.

        Raises:
            StaleEpoch: somebody else has claimed it since; nothing was written.
        """
        if not self.filter(pk=run, epoch=epoch).update(**values):
            raise StaleEpoch

    def request_stop(self, asked_at: datetime) -> int:
        """Asks open runs to stop; how many had not been asked before."""
        return self.open().filter(stop_requested_at=None).update(stop_requested_at=asked_at)


class Run(Row):
    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        WAITING = "waiting"
        COMPLETED = "completed"
        STOPPED = "stopped"
        FAILED = "failed"
        LIMIT_REACHED = "limit_reached"

    # Both have indexes below that begin with them.
    user = models.ForeignKey("chat.User", models.CASCADE, related_name="runs", db_index=False)
    conversation = models.ForeignKey("chat.Conversation", models.CASCADE, related_name="runs", db_index=False)
    message = models.ForeignKey("chat.Message", models.CASCADE, related_name="runs")
    """The assistant message it writes."""
    model = models.ForeignKey("chat.LanguageModel", models.SET_NULL, null=True, related_name="runs")
    model_name = models.CharField(max_length=200)
    options = models.JSONField(default=dict)
    start_key = models.UUIDField()
    """The caller's idempotency key; the same key twice gives the same runs."""
    lane = models.PositiveSmallIntegerField(default=0)
    token = models.ForeignKey(
        "chat.ApiToken", models.SET_NULL, null=True, related_name="runs", db_index=False
    )
    """By which it was started; null where somebody was there in person."""

    status = models.CharField(max_length=16, choices=Status, default=Status.QUEUED)
    epoch = models.PositiveIntegerField(default=0)
    """How many times it has been claimed; the fencing token."""
    takeovers = models.PositiveIntegerField(default=0, db_default=0)
    """How often it was claimed since it has last come anywhere: to the end of a step, to a wait, or out of a process
    that gave it up in good order."""
    node = models.ForeignKey(Node, models.SET_NULL, null=True, related_name="runs")
    stop_requested_at = models.DateTimeField(null=True)
    last_seq = models.PositiveIntegerField(default=0)
    """The number of the last event that the stored text holds; with `epoch` a cursor."""
    steps = models.JSONField(default=list)
    """Where its steps begin and end among the message's parts: [{step, finished, parts: how many}]."""

    error = models.JSONField(null=True)
    usage = models.JSONField(default=dict)
    cost = models.DecimalField(max_digits=18, decimal_places=9, null=True)
    currency = models.CharField(max_length=3, blank=True)
    ttft_ms = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)
    tokens_per_second = models.FloatField(null=True)
    stop_receipt = models.JSONField(null=True)
    worked_ms = models.PositiveIntegerField(default=0, db_default=0)
    """How long it had been made by the time it was parked; what it waits does not count."""

    created_at = models.DateTimeField(db_default=Now())
    claimed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "start_key", "lane"], name="one_run_of_a_key_and_lane")
        ]
        indexes = [
            models.Index(
                fields=["node", "status"],
                name="run_open",
                # As `open` asks: SQLite uses a partial index only for the very same condition.
                condition=models.Q(finished_at=None),
            ),
            models.Index(fields=["conversation", "status"], name="run_of_conversation"),
            # What the admin's list goes by, alone and with each of its filters.
            models.Index(fields=["created_at"], name="run_by_time"),
            models.Index(fields=["user", "created_at"], name="run_by_user"),
            models.Index(fields=["status", "created_at"], name="run_by_status"),
            models.Index(fields=["model_name", "created_at"], name="run_by_model"),
            models.Index(fields=["token"], name="run_by_token", condition=models.Q(token__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.model_name}, {self.status}, {second_of(self.created_at)}"

    @property
    def ended(self) -> bool:
        return self.status in ENDED
