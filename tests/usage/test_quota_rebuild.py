"""Counting quotas anew from the ledger."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group

from chat.models import Quota, QuotaUse, Reservation
from chat.usage.quota_periods import begins
from chat.usage.quota_rebuild import rebuild
from tests.factories import ModelCallFactory, RunFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def use(quota, subject, **columns):
    return QuotaUse.objects.create(
        quota=quota, subject=subject, kind="tokens_per_day", starts=begins("tokens_per_day", NOW), **columns
    )


def call(who, tokens, **columns):
    run = RunFactory.create(conversation__owner=who)
    return ModelCallFactory.create(run=run, started_at=NOW, input_tokens=tokens, output_tokens=1, **columns)


def test_what_is_used_is_what_the_ledgers_rows_come_to(alice, bob):
    row = use(Quota.objects.create(name="All", tokens_per_day=1000), alice.pseudonym, used=999, assumed=7)
    call(alice, 10)
    call(alice, 20)
    call(alice, 5, outcome="running")
    call(bob, 40)
    assert rebuild(now=NOW) == (1, 1)
    row.refresh_from_db()
    assert (row.used, row.assumed) == (32, 7)
    assert rebuild(now=NOW) == (1, 0)


def test_a_group_has_used_what_its_members_have(alice, bob, mallory):
    group = Group.objects.create(name="guests")
    alice.groups.add(group)
    bob.groups.add(group)
    quota = Quota.objects.create(name="Guests", binds="group", group=group, tokens_per_day=1000)
    row = use(quota, quota.pk)
    for who in (alice, bob, mallory):
        call(who, 10)
    rebuild(now=NOW)
    row.refresh_from_db()
    assert row.used == 22


def test_what_is_set_aside_is_what_reservations_hold(alice):
    row = use(Quota.objects.create(name="All", tokens_per_day=1000), alice.pseudonym, reserved=500)
    figures = {"step": 1, "input_tokens": 1, "output_tokens": 99, "holds": [[str(row.pk), 100]]}
    Reservation.objects.create(run=RunFactory.create().pk, epoch=1, **figures)
    Reservation.objects.create(run=RunFactory.create().pk, epoch=1, state="settled", **figures)
    rebuild(now=NOW)
    row.refresh_from_db()
    assert row.reserved == 100
