"""Who sends what, and what became of it. For the database's threads; each change is a compare-and-set on the epoch.

A delivery is claimed for a lease. A sender that dies is not missed before it ends: then the row is due again, under the
same id. Whoever comes back after its lease writes nothing.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Now
from msgspec import Struct

from chat.models import WebhookDelivery, WebhookEndpoint
from chat.webhooks.backoff import MOST_ATTEMPTS

CANDIDATES: Final = 10
"""Endpoints looked at for one claim; others may be as quick."""
LOST: Final = "Every process that tried to send it ended before there was an answer."


class ClaimRules(Struct, frozen=True):
    lease_seconds: float
    at_once: int
    """Deliveries under way to one endpoint; to one that fails there is one."""


class Verdict(Struct, frozen=True):
    """What an attempt came to."""

    delivered: bool
    status: int | None = None
    error: str = ""
    response: str = ""
    duration_ms: int = 0
    retry_after_seconds: float | None = None
    gone: bool = False
    """The receiver wants nothing any more."""


def claim_next(rules: ClaimRules) -> WebhookDelivery | None:
    """A delivery that is ours to send for a lease, with its endpoint; None where nothing is due that may be sent now.

    Endpoints take turns: who has a thousand waiting does not hold up who has one.
    """
    for endpoint in _with_something_due(rules)[:CANDIDATES]:
        while found := _claim_of(endpoint, rules):
            if found.attempts <= MOST_ATTEMPTS:
                return found
            # As many claims as tries, and no end of any: what it says may be what ends its senders.
            settle_dead(found, Verdict(delivered=False, error=LOST))
    return None


def anything_due(rules: ClaimRules) -> bool:
    return _with_something_due(rules).exists()


def settle_delivered(delivery: WebhookDelivery, verdict: Verdict) -> bool:
    """False: it is not ours any more."""
    won = _settle(
        delivery, verdict, status=WebhookDelivery.Status.DELIVERED, finished_at=Now(), claimed_until=None
    )
    if won:
        failing = WebhookEndpoint.objects.filter(pk=delivery.endpoint_id).exclude(failing_since=None)
        failing.update(failing_since=None)
    return won


def settle_later(delivery: WebhookDelivery, verdict: Verdict, pause_seconds: float) -> bool:
    """It failed, and is tried again, unless its endpoint was switched off meanwhile."""
    again_at = Now() + timedelta(seconds=pause_seconds)
    won = _settle(delivery, verdict, next_attempt_at=again_at, claimed_until=None)
    off = WebhookEndpoint.objects.filter(enabled=False)
    WebhookDelivery.objects.filter(pk=delivery.pk, epoch=delivery.epoch, endpoint__in=off).give_up(
        verdict.error
    )
    return won


def settle_dead(delivery: WebhookDelivery, verdict: Verdict) -> bool:
    """It failed for good, until somebody has it delivered again."""
    return _settle(
        delivery, verdict, status=WebhookDelivery.Status.DEAD, finished_at=Now(), claimed_until=None
    )


def note_failure(endpoint: UUID, *, paused_seconds: float | None, failing_days: float) -> None:
    """Remembers since when it fails and how long it wants to be left alone; off, if it has failed for so many days."""
    endpoints = WebhookEndpoint.objects.filter(pk=endpoint)
    endpoints.filter(failing_since=None).update(failing_since=Now())
    if paused_seconds:
        endpoints.update(paused_until=Now() + timedelta(seconds=paused_seconds))
    if failing_days and endpoints.filter(
        enabled=True, failing_since__lte=Now() - timedelta(days=failing_days)
    ):
        WebhookEndpoint.objects.switch_off(endpoint, WebhookEndpoint.Off.FAILING)


def _with_something_due(rules: ClaimRules) -> QuerySet[WebhookEndpoint]:
    of_this = WebhookDelivery.objects.filter(endpoint=OuterRef("pk"))
    under_way = of_this.claimed().order_by().values("endpoint").annotate(count=Count("pk")).values("count")
    room = Case(When(failing_since=None, then=Value(rules.at_once)), default=Value(1))
    return (
        WebhookEndpoint.objects.filter(Exists(of_this.due()), enabled=True, owner__is_active=True)
        .filter(Q(paused_until=None) | Q(paused_until__lte=Now()))
        .annotate(under_way=Coalesce(Subquery(under_way, output_field=IntegerField()), 0), room=room)
        .filter(under_way__lt=F("room"))
        .order_by(F("last_attempt_at").asc(nulls_first=True))
    )


def _claim_of(endpoint: WebhookEndpoint, rules: ClaimRules) -> WebhookDelivery | None:
    room = rules.at_once if endpoint.failing_since is None else 1
    lease_ends = Now() + timedelta(seconds=rules.lease_seconds)
    with transaction.atomic():
        # Takes the endpoint's row first, so that of two who count at the same time one waits for the other.
        if not WebhookEndpoint.objects.filter(pk=endpoint.pk, enabled=True).update(last_attempt_at=Now()):
            return None
        if WebhookDelivery.objects.claimed().filter(endpoint=endpoint).count() >= room:
            return None
        first = WebhookDelivery.objects.due().filter(endpoint=endpoint).order_by("next_attempt_at").first()
        if first is None:
            return None
        won = WebhookDelivery.objects.due().filter(pk=first.pk, epoch=first.epoch).update(
            epoch=first.epoch + 1,
            attempts=first.attempts + 1,
            last_attempt_at=Now(),
            next_attempt_at=lease_ends,
            claimed_until=lease_ends,
        )  # fmt: skip
    if not won:
        return None
    first.epoch += 1
    first.attempts += 1
    first.endpoint = endpoint
    return first


def _settle(delivery: WebhookDelivery, verdict: Verdict, **columns: object) -> bool:
    ours = WebhookDelivery.objects.pending().filter(pk=delivery.pk, epoch=delivery.epoch)
    return bool(
        ours.update(
            last_status=verdict.status,
            last_error=verdict.error[:300],
            last_response=verdict.response,
            duration_ms=verdict.duration_ms,
            **columns,
        )
    )
