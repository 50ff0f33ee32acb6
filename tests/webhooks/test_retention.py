"""What of the outbox is given up or dropped in time."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from chat.models import ToolCallback, WebhookDelivery
from chat.webhooks import retention
from chat.webhooks.claims import claim_next
from chat.webhooks.retention import prune_deliveries, prune_progress
from tests.factories import ToolInvocationFactory, WebhookDeliveryFactory, WebhookEndpointFactory
from tests.webhooks.conftest import RULES

pytestmark = pytest.mark.django_db


def ago(days: float):
    return timezone.now() - timedelta(days=days)


def ended(days: float, **columns: object) -> WebhookDelivery:
    row: WebhookDelivery = WebhookDeliveryFactory.create(
        created_at=ago(days + 1), finished_at=ago(days), status="delivered", **columns
    )
    return row


def test_what_ended_goes_when_its_days_are_over(monkeypatch):
    monkeypatch.setattr(retention, "STEP", 2)
    young = ended(29)
    for _ in range(5):
        ended(31)

    assert prune_deliveries(ago(30)) == 5
    assert list(WebhookDelivery.objects.all()) == [young]


def test_dead_ones_stay_as_long_for_somebody_may_want_them_delivered():
    dead = ended(29)
    WebhookDelivery.objects.update(status="dead")

    assert prune_deliveries(ago(30)) == 0
    assert list(WebhookDelivery.objects.all()) == [dead]


def test_what_waits_for_as_long_is_given_up_and_stays_to_be_seen():
    old = WebhookDeliveryFactory.create(created_at=ago(31))
    new = WebhookDeliveryFactory.create(created_at=ago(29))

    assert prune_deliveries(ago(30)) == 0
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.status, old.last_error, new.status) == ("dead", "It has waited too long.", "pending")


def test_what_is_under_way_is_left_alone():
    WebhookDeliveryFactory.create(created_at=ago(31))
    assert claim_next(RULES) is not None
    prune_deliveries(ago(30))

    assert WebhookDelivery.objects.get().status == "pending"


def test_of_too_many_that_wait_for_one_endpoint_the_oldest_are_given_up(monkeypatch):
    monkeypatch.setattr(retention, "MOST_PENDING", 3)
    crowded, other = WebhookEndpointFactory.create_batch(2)
    rows = [WebhookDeliveryFactory.create(endpoint=crowded) for _ in range(5)]
    WebhookDeliveryFactory.create_batch(3, endpoint=other)
    prune_deliveries(ago(30))

    left = WebhookDelivery.objects.pending().filter(endpoint=crowded)
    assert set(left) == set(rows[2:])
    assert WebhookDelivery.objects.pending().filter(endpoint=other).count() == 3


def test_those_that_are_taken_while_they_are_counted_are_no_longer_too_many(monkeypatch):
    monkeypatch.setattr(retention, "MOST_PENDING", 3)
    endpoint = WebhookEndpointFactory.create()
    rows = [WebhookDeliveryFactory.create(endpoint=endpoint) for _ in range(5)]

    def taken_after_counting(execute, sql, params, many, context):
        counted = execute(sql, params, many, context)
        if "HAVING" in sql:
            WebhookDelivery.objects.filter(pk__in=[row.pk for row in rows[:3]]).delete()
        return counted

    with connection.execute_wrapper(taken_after_counting):
        prune_deliveries(ago(30))

    assert set(WebhookDelivery.objects.pending()) == set(rows[3:])


def test_what_a_deleted_endpoint_left_behind_goes():
    endpoint = WebhookEndpointFactory.create()
    key = endpoint.pk
    endpoint.delete()
    WebhookDelivery.objects.create(endpoint_id=key, event="run.finished", payload="{}", created_at=Now())

    assert prune_deliveries(ago(30)) == 1
    assert not WebhookDelivery.objects.exists()


def test_an_endpoint_takes_its_deliveries_along():
    delivery = WebhookDeliveryFactory.create()
    delivery.endpoint.delete()

    assert not WebhookDelivery.objects.exists()


def test_progress_that_was_told_long_ago_goes_and_results_and_refusals_stay(monkeypatch):
    monkeypatch.setattr(retention, "STEP", 2)
    invocation = ToolInvocationFactory.create(kind="webhook")
    for number, (what, accepted, days) in enumerate(
        [("progress", True, 2)] * 5
        + [("progress", True, 0), ("succeeded", True, 2), ("progress", False, 2), ("", False, 2)]
    ):
        ToolCallback.objects.create(
            invocation=invocation,
            message=f"msg_{number}",
            what=what,
            accepted=accepted,
            answer=200,
            created_at=ago(days),
        )

    assert prune_progress(ago(1)) == 5
    assert ToolCallback.objects.count() == 4
