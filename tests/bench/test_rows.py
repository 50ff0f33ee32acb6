"""The rows that measurements are made on are rows as the product writes them."""

import random

import pytest
from django.db.models import Sum

from bench.rows import Year
from bench.rows_people import People
from chat.models import Conversation, ModelCall, Run

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]


@pytest.fixture
def year() -> Year:
    chance = random.Random(3)  # noqa: S311
    made = Year(People.make(5, chance), days=30, chance=chance)
    made.write(20)
    return made


def test_each_row_belongs_to_rows_that_are_there(year: Year) -> None:
    """The database checks its foreign keys when the test is over."""
    assert Conversation.objects.count() == 20
    assert ModelCall.objects.filter(user=None).count() == 0


def test_runs_add_up_to_their_calls(year: Year) -> None:
    for run in Run.objects.annotate(
        calls_cost=Sum("model_calls__cost"), calls_output=Sum("model_calls__output_tokens")
    ):
        assert run.cost == run.calls_cost  # type: ignore[attr-defined]
        assert run.usage["output_tokens"] == run.calls_output  # type: ignore[attr-defined]


def test_keys_sort_by_time(year: Year) -> None:
    by_key = list(Run.objects.order_by("pk").values_list("created_at", flat=True))
    assert by_key == sorted(by_key)
