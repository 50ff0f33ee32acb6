"""How near people are to their quotas."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from chat.models import Quota, QuotaUse
from chat.models.quotas import Kind
from chat.usage.quota_periods import begins, resets_at
from chat.usage.quotas import near_the_end, nearness_of

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)


@pytest.fixture
def quota():
    return Quota.objects.create(name="All", tokens_per_day=1000, money_per_month=Decimal(5), currency="USD")


def use(quota, who, kind="tokens_per_day", **columns):
    columns = {"starts": begins(kind, NOW), "used": 900} | columns
    return QuotaUse.objects.create(quota=quota, subject=who.pseudonym, kind=kind, **columns)


def test_somebody_who_has_used_most_of_it_is_near_the_end(quota, alice):
    use(quota, alice, reserved=50)
    (near,) = near_the_end(0.9, now=NOW)
    assert (near.name, near.who, near.kind) == ("All", "alice", Kind.TOKENS_DAY)
    assert (near.taken, near.left) == (Decimal(950), Decimal(50))
    assert (near.percent, near.resets_at) == (95, datetime(2026, 12, 2, tzinfo=UTC))


def test_money_is_told_in_its_currency(quota, alice):
    use(quota, alice, "money_per_month", used=4_500_000_000, currency="USD")
    (near,) = near_the_end(0.9, now=NOW)
    assert (near.used, near.limit, near.currency, near.percent) == (Decimal("4.5"), Decimal(5), "USD", 90)


def test_the_fullest_come_first(quota, alice, bob):
    use(quota, alice)
    use(quota, bob, used=990)
    assert [near.who for near in near_the_end(0.5, now=NOW)] == ["bob", "alice"]
    assert [near.who for near in nearness_of(alice, now=NOW)] == ["alice"]


def test_those_who_have_used_less_are_not_told_of(quota, alice):
    use(quota, alice, used=899)
    assert near_the_end(0.9, now=NOW) == []


def test_what_was_used_yesterday_is_not_told_of(quota, alice):
    use(quota, alice, starts=date(2026, 11, 30))
    assert near_the_end(0.5, now=NOW) == []


def test_a_quota_that_is_not_in_force_is_not_told_of(quota, alice):
    use(quota, alice)
    Quota.objects.update(enabled=False)
    assert near_the_end(0.5, now=NOW) == []


def test_days_and_months_are_those_of_the_site(settings):
    settings.TIME_ZONE = "Europe/Berlin"  # where it is half past midnight
    assert begins("tokens_per_day", NOW) == date(2026, 12, 2)
    assert resets_at("tokens_per_day", NOW) == datetime(2026, 12, 2, 23, tzinfo=UTC)
    assert resets_at("money_per_month", NOW) == datetime(2026, 12, 31, 23, tzinfo=UTC)
