"""What quotas forget."""

from datetime import UTC, date, datetime

import pytest

from chat.models import Quota, QuotaUse, Reservation
from chat.models.quotas import ALWAYS
from chat.usage.quota_retention import prune_quotas
from tests.factories import RunFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def test_reservations_stay_until_their_run_is_gone():
    run = RunFactory.create()
    figures = {"step": 1, "input_tokens": 1, "output_tokens": 1, "state": "settled"}
    Reservation.objects.create(run=run.pk, epoch=1, **figures)
    assert prune_quotas(NOW)["reservations"] == 0
    run.delete()
    assert prune_quotas(NOW)["reservations"] == 1


def test_what_is_held_is_given_back_before_it_is_dropped():
    Reservation.objects.create(run=Quota().pk, step=1, epoch=1, input_tokens=1, output_tokens=1)
    assert prune_quotas(NOW)["reservations"] == 0


def test_what_was_used_more_than_a_year_ago_is_forgotten(alice):
    quota = Quota.objects.create(name="All", tokens_per_day=1)
    for starts in (date(2025, 10, 1), date(2026, 11, 1), ALWAYS):
        QuotaUse.objects.create(quota=quota, subject=alice.pseudonym, kind="tokens_per_month", starts=starts)
    assert prune_quotas(NOW)["quota_uses"] == 1
