"""Outgoing webhooks: where a user wants to be told of events, and the outbox of what is told.

The outbox is the queue: a row is written with what it tells of, in one transaction, and stays until it was taken or
given up. The broker carries only hints (chat/webhooks/dispatch.py).
"""

from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models.functions import Now

from chat.models.base import Row, new_id, second_of
from chat.models.rotating_secrets import RotatingSecrets

if TYPE_CHECKING:
    from chat.models.users import User

PREFIX_DIGITS: Final = 18
"""Of a UUIDv7 these hold the time and the version; the rest is random."""


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def visible_to(self, user: "User") -> "WebhookEndpointQuerySet":
        return self.filter(owner=user)

    def switch_off(self, endpoint: UUID, reason: str) -> None:
        """Nothing more is told there; what waited is given up, and may be delivered again once it is on."""
        with transaction.atomic():
            self.filter(pk=endpoint).update(enabled=False, disabled_because=reason, disabled_at=Now())
            WebhookDelivery.objects.unclaimed().filter(endpoint=endpoint).give_up(
                "The endpoint is switched off."
            )

    def switch_on(self, endpoint: UUID) -> None:
        """Forgets what failed before: it has its days again."""
        self.filter(pk=endpoint).update(
            enabled=True, disabled_because="", disabled_at=None, failing_since=None, paused_until=None
        )


class WebhookEndpoint(Row, RotatingSecrets):
    class Off(models.TextChoices):
        BY_OWNER = "by_owner"
        BY_STAFF = "by_staff"
        GONE = "gone", "it answered 410"
        FAILING = "failing", "it failed for days"

    owner = models.ForeignKey("chat.User", models.CASCADE, related_name="webhook_endpoints")
    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=200, blank=True)
    events = models.JSONField(default=list)
    """Names of the events it is told (chat/webhooks/payloads.py)."""

    enabled = models.BooleanField(default=True)
    disabled_because = models.CharField(max_length=16, choices=Off, blank=True)
    disabled_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    """Of the first failure after the last success."""
    paused_until = models.DateTimeField(null=True)
    """It asked for it, by `Retry-After`."""
    last_attempt_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return self.description or self.url.split("?")[0]


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def visible_to(self, user: "User") -> "WebhookDeliveryQuerySet":
        return self.filter(endpoint__owner=user)

    def pending(self) -> "WebhookDeliveryQuerySet":
        # As its indexes ask: SQLite uses a partial index only for the very same condition.
        return self.filter(finished_at=None)

    def due(self) -> "WebhookDeliveryQuerySet":
        """By the database's clock; also those whose sender has not been heard of for a lease."""
        return self.pending().filter(next_attempt_at__lte=Now())

    def claimed(self) -> "WebhookDeliveryQuerySet":
        return self.pending().filter(claimed_until__gt=Now())

    def unclaimed(self) -> "WebhookDeliveryQuerySet":
        return self.pending().exclude(claimed_until__gt=Now())

    def give_up(self, why: str) -> int:
        """Of pending ones; how many."""
        return self.pending().update(
            status=WebhookDelivery.Status.DEAD, finished_at=Now(), claimed_until=None, last_error=why
        )

    def deliver_again(self) -> int:
        """Those that have ended begin anew, under the same id; how many. Endpoints that are off are left out."""
        ended = self.exclude(finished_at=None).filter(
            endpoint__in=WebhookEndpoint.objects.filter(enabled=True)
        )
        return ended.update(
            status=WebhookDelivery.Status.PENDING,
            finished_at=None,
            attempts=0,
            next_attempt_at=Now(),
            claimed_until=None,
        )

    def enqueue(self, owner: UUID, event: str, payload: str) -> int:
        """A row for each endpoint of the owner that wants this event, in one statement; how many.

        For a user without endpoints it is a look into an index.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                ENQUEUE[connection.vendor],
                [new_id().hex[:PREFIX_DIGITS], event, payload, _key(owner), True, f'%"{event}"%'],
            )
            return int(cursor.rowcount)


# Raw, because the ORM has no INSERT … SELECT. Columns that are not named have their defaults in the database.
_ENQUEUE = (
    "INSERT INTO chat_webhookdelivery (id, endpoint_id, event, payload) SELECT {key}, id, %s, %s "
    "FROM chat_webhookendpoint WHERE owner_id = %s AND enabled = %s AND CAST(events AS text) LIKE %s"
)
ENQUEUE: Final = {
    "sqlite": _ENQUEUE.format(key="%s || lower(hex(randomblob(7)))"),
    "postgresql": _ENQUEUE.format(
        key="(%s || substr(replace(gen_random_uuid()::text, '-', ''), 1, 14))::uuid"
    ),
}
"""Their keys sort by time, as all others."""


def _key(key: UUID) -> UUID | str:
    """As the database's driver wants it in raw SQL."""
    return key if connection.features.has_native_uuid_field else key.hex


class WebhookDelivery(Row):
    """One event for one endpoint. Its key is the `webhook-id`, the same at every try."""

    class Status(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        DEAD = "dead"

    # Without a constraint in the database: an endpoint that is deleted in this moment must not undo what is told of.
    endpoint = models.ForeignKey(
        WebhookEndpoint, models.CASCADE, related_name="deliveries", db_constraint=False, db_index=False
    )
    event = models.CharField(max_length=60)
    payload = models.TextField()
    """The body, letter for letter as it is signed and sent."""
    status = models.CharField(max_length=10, choices=Status, db_default=Status.PENDING)
    """Pending as long as `finished_at` is null."""
    epoch = models.PositiveIntegerField(db_default=0)
    """How many times it has been claimed; the fencing token."""
    attempts = models.PositiveSmallIntegerField(db_default=0)
    """Since it was written, or delivered again by hand."""
    next_attempt_at = models.DateTimeField(db_default=Now())
    """While it is claimed: when somebody else may take it."""
    claimed_until = models.DateTimeField(null=True)

    last_attempt_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    """The HTTP status, null where there was none."""
    last_error = models.CharField(max_length=300, blank=True, db_default="")
    last_response = models.TextField(blank=True, db_default="")
    """The first kilobyte of the answer's body."""
    duration_ms = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    """Delivered, or given up."""

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "webhook deliveries"
        default_permissions = ("view",)
        permissions = [("redeliver_webhookdelivery", "Can deliver webhooks again")]
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                name="webhook_pending",
                condition=models.Q(finished_at=None),
            ),
            models.Index(
                fields=["endpoint", "claimed_until"],
                name="webhook_claimed",
                condition=models.Q(claimed_until__isnull=False),
            ),
            models.Index(fields=["endpoint", "id"], name="webhook_of_endpoint"),
            models.Index(fields=["finished_at"], name="webhook_finished"),
            # What the admin's list goes by, alone and with each of its filters.
            models.Index(fields=["created_at"], name="webhook_by_time"),
            models.Index(fields=["status", "created_at"], name="webhook_by_status"),
            models.Index(fields=["event", "created_at"], name="webhook_by_event"),
            models.Index(fields=["last_status", "created_at"], name="webhook_by_answer"),
        ]

    def __str__(self) -> str:
        return f"{self.event}, {self.status}, {second_of(self.created_at)}"
