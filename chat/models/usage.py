"""The ledger: one row for each model call, also the failed, stopped and retried ones; and its sums by day.

Rows of both are written by `chat.usage.ledger.write_calls` and nowhere else.
"""

from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import models
from django.db.models.functions import Now

from chat.models.base import Row, second_of

NOBODY: Final = UUID(int=0)
"""Stands for people whose account was gone before the ledger kept pseudonyms."""
UNDER_WAY: Final = "running"
LOST: Final = "lost"


class ModelCall(Row):
    """One HTTP attempt upstream. Tokens are null where nobody said; the price is copied at the time of the call."""

    class Source(models.TextChoices):
        REPORTED = "reported"
        ESTIMATED = "estimated"
        UNKNOWN = "unknown"

    class Purpose(models.TextChoices):
        ANSWER = "answer"
        TITLE = "title"

    user = models.ForeignKey(
        "chat.User", models.SET_NULL, null=True, related_name="model_calls", db_index=False
    )
    pseudonym = models.UUIDField(default=NOBODY, db_default=NOBODY)
    """The user's, kept where the account is gone."""
    token = models.UUIDField(null=True)
    """The key of the API token by which its run was started; no foreign key, so that it stays what was counted."""
    conversation = models.ForeignKey(
        "chat.Conversation", models.SET_NULL, null=True, related_name="model_calls"
    )
    run = models.ForeignKey("chat.Run", models.SET_NULL, null=True, related_name="model_calls")
    step = models.PositiveSmallIntegerField(default=1)
    attempt = models.PositiveSmallIntegerField(default=1)
    epoch = models.PositiveIntegerField(default=1)
    purpose = models.CharField(max_length=16, choices=Purpose, default=Purpose.ANSWER)

    provider = models.CharField(max_length=60)
    model = models.CharField(max_length=140)
    upstream_id = models.CharField(max_length=200, blank=True)
    request_id = models.CharField(max_length=200, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    outcome = models.CharField(max_length=32)
    """`completed`, `stopped`, an error code, `lost` with its process; `running` while it is under way."""
    finish_reason = models.CharField(max_length=32, blank=True)

    started_at = models.DateTimeField(db_default=Now())
    queue_ms = models.PositiveIntegerField(null=True)
    """In lines before the call was made."""
    connect_ms = models.PositiveIntegerField(null=True)
    """Until the head of the answer."""
    ttft_ms = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)

    input_tokens = models.PositiveIntegerField(null=True)
    output_tokens = models.PositiveIntegerField(null=True)
    cached_tokens = models.PositiveIntegerField(null=True)
    cache_write_tokens = models.PositiveIntegerField(null=True)
    reasoning_tokens = models.PositiveIntegerField(null=True)
    usage_source = models.CharField(max_length=16, choices=Source, default=Source.UNKNOWN)

    estimate = models.JSONField(null=True)
    """What the rule of chat/usage/estimates.py says of it: `rule`, `input`, `output`, in tokens; and `input_ratio`,
    `output_ratio` where the counters go by it."""
    price = models.JSONField(null=True)
    """The price per million tokens as it stood: decimal strings by kind, and the currency."""
    cost = models.DecimalField(max_digits=18, decimal_places=9, null=True)
    currency = models.CharField(max_length=3, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "step", "epoch", "attempt"], name="one_row_an_attempt")
        ]
        indexes = [
            models.Index(fields=["user", "started_at"], name="call_by_user"),
            models.Index(fields=["pseudonym", "started_at"], name="call_by_pseudonym"),
            models.Index(
                fields=["token", "started_at"],
                name="call_by_token",
                condition=models.Q(token__isnull=False),
            ),
            models.Index(fields=["provider", "model", "started_at"], name="call_by_model"),
            models.Index(fields=["started_at"], name="call_by_time"),
            models.Index(fields=["started_at"], name="call_under_way", condition=models.Q(outcome="running")),
            # What the admin's list goes by, alone and with each of its filters.
            models.Index(fields=["provider", "started_at"], name="call_by_provider"),
            models.Index(fields=["model", "started_at"], name="call_by_model_name"),
            models.Index(fields=["outcome", "started_at"], name="call_by_outcome"),
            models.Index(fields=["usage_source", "started_at"], name="call_by_source"),
            models.Index(fields=["purpose", "started_at"], name="call_by_purpose"),
            # What a provider asks for, when it is asked what has become of a call.
            models.Index(fields=["request_id"], name="call_by_request"),
            models.Index(fields=["upstream_id"], name="call_by_upstream"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}, {self.outcome}, {second_of(self.started_at)}"


class UsageDay(Row):
    """What one person's calls of one kind came to on one day, in UTC, by the time at which they began.

    The sums of the ledger's rows that have ended, kept by delta in the transaction that writes those. A counter that
    nobody has said counts as 0.
    """

    day = models.DateField()
    pseudonym = models.UUIDField()
    provider = models.CharField(max_length=60)
    model = models.CharField(max_length=140)
    purpose = models.CharField(max_length=16)
    currency = models.CharField(max_length=3, blank=True)
    """Empty: of calls whose cost is not known."""
    usage_source = models.CharField(max_length=16)

    calls = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    cost_billionths = models.BigIntegerField(default=0)
    """Whole billionths of a unit of the currency, the last place that the ledger keeps: SQLite adds decimals as
    floating point, and sums that have to be provable cannot be off by a rounding."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                # In the order in which reports group, so that its index spares them a sort.
                fields=["day", "provider", "model", "currency", "usage_source", "purpose", "pseudonym"],
                name="one_sum_a_day_and_kind",
            )
        ]
        indexes = [models.Index(fields=["pseudonym", "day"], name="usage_by_pseudonym")]

    def __str__(self) -> str:
        return f"{self.day} {self.provider}/{self.model}, {self.calls} calls"

    @property
    def cost(self) -> Decimal:
        return money_of(self.cost_billionths)


def money_of(billionths: int) -> Decimal:
    return Decimal(billionths).scaleb(-9)


def billionths_of(cost: Decimal | None) -> int:
    return 0 if cost is None else int(cost.scaleb(9))
