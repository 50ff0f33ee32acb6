"""What was used, grouped, from the daily sums."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat.exceptions import InvalidRequest
from chat.models import UsageDay
from chat.usage.reports import Cost, UsageRow, names_of, usage
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]

ALICE, BOB = UUID(int=1), UUID(int=2)
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def used(day: date = MONDAY, pseudonym: UUID = ALICE, **columns: Any) -> None:
    usual = {
        "provider": "lab",
        "model": "one",
        "purpose": "answer",
        "currency": "USD",
        "usage_source": "reported",
        "calls": 1,
        "input_tokens": 100,
        "output_tokens": 10,
        "cost_billionths": 1_000_000,
    }
    UsageDay.objects.create(day=day, pseudonym=pseudonym, **usual | columns)


def found(group_by: Sequence[str], *names: str, **wanted: Any) -> list[tuple[Any, ...]]:
    return [tuple(getattr(row, name) for name in names) for row in usage(group_by, **wanted)]


def test_without_groups_all_is_one_row():
    used()
    used(TUESDAY, BOB, model="two", cached_tokens=5, cache_write_tokens=6, reasoning_tokens=7)

    assert list(usage()) == [
        UsageRow(
            calls=2,
            estimated_calls=0,
            unknown_calls=0,
            unpriced_calls=0,
            input_tokens=200,
            output_tokens=20,
            cached_tokens=5,
            cache_write_tokens=6,
            reasoning_tokens=7,
            costs=(Cost("USD", Decimal("0.002"), Decimal(0)),),
        )
    ]


def test_where_nothing_was_used_there_is_no_row():
    assert list(usage()) == []
    assert list(usage(["day"])) == []


@pytest.mark.parametrize(
    ("group", "names", "rows"),
    [
        ("day", ("day",), [(MONDAY, 3), (TUESDAY, 1)]),
        ("model", ("provider", "model"), [("hall", "one", 1), ("lab", "one", 2), ("lab", "two", 1)]),
        ("provider", ("provider",), [("hall", 1), ("lab", 3)]),
        ("user", ("pseudonym",), [(ALICE, 3), (BOB, 1)]),
    ],
)
def test_it_is_grouped_by_any_of_four(group: str, names: tuple[str, ...], rows: list[tuple[Any, ...]]):
    used()
    used(model="two")
    used(provider="hall")
    used(TUESDAY, BOB)

    assert found([group], *names, "calls") == rows


def test_and_by_several_at_once():
    used()
    used(TUESDAY)
    used(TUESDAY, BOB)

    assert found(["user", "day"], "pseudonym", "day") == [(ALICE, MONDAY), (ALICE, TUESDAY), (BOB, TUESDAY)]


def test_both_ends_of_a_period_belong_to_it():
    for day in (1, 2, 3, 4):
        used(date(2026, 3, day))

    assert found(["day"], "day", since=MONDAY, until=TUESDAY) == [(MONDAY,), (TUESDAY,)]


def test_it_can_be_one_persons_one_providers_or_one_models():
    used()
    used(pseudonym=BOB)
    used(model="two")
    used(provider="hall")

    assert found((), "calls", pseudonym=BOB) == [(1,)]
    assert found((), "calls", provider="hall") == [(1,)]
    assert found((), "calls", provider="lab", model="two") == [(1,)]


def test_currencies_are_never_added_up():
    used()
    used(currency="EUR", cost_billionths=5_000_000_000)

    [row] = usage(["day"])

    assert row.calls == 2
    assert [(cost.currency, cost.amount) for cost in row.costs] == [
        ("EUR", Decimal(5)),
        ("USD", Decimal("0.001")),
    ]


def test_what_is_estimated_unknown_or_has_no_price_is_told_apart():
    used()
    used(usage_source="estimated", calls=2, cost_billionths=3_000_000)
    used(usage_source="unknown", calls=4, currency="", cost_billionths=0, input_tokens=0, output_tokens=0)

    [row] = usage()

    assert (row.calls, row.estimated_calls, row.unknown_calls, row.unpriced_calls) == (7, 2, 4, 4)
    assert row.costs == (Cost("USD", Decimal("0.004"), Decimal("0.003")),)


def test_it_is_one_query_however_it_is_grouped(django_assert_num_queries: Any):
    used()
    used(TUESDAY, BOB)

    with django_assert_num_queries(1):
        list(usage(["day", "model", "user", "provider"]))


def test_people_have_names_as_long_as_they_have_an_account():
    alice = UserFactory.create(username="alice")

    assert names_of([alice.pseudonym, uuid4()]) == {alice.pseudonym: "alice"}


def test_there_is_no_other_group():
    with pytest.raises(InvalidRequest, match="Not a group: 'colour'"):
        usage(["day", "colour"])
