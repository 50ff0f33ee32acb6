"""`verify_ledger` finds every figure that somebody has changed, and names it."""

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chat.engine.billed import recount
from chat.models import ModelCall, Run, UsageDay
from chat.models.base import new_id
from chat.usage.ledger import write_calls
from tests.factories import RunFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PRICE = {
    "input": "2",
    "output": "8",
    "cached_input": None,
    "cache_write": None,
    "reasoning": None,
    "currency": "USD",
}


@pytest.fixture(autouse=True)
def run() -> Run:
    """Two calls of one run that has ended, and all that goes with them."""
    made: Run = RunFactory.create(status="completed", finished_at=AT, epoch=1)
    write_calls(row(made, attempt=attempt) for attempt in (1, 2))
    recount(made.pk)
    return made


def row(run: Run, **changes: Any) -> dict[str, Any]:
    return {
        "id": new_id(),
        "user_id": run.user_id,
        "pseudonym": run.user.pseudonym,
        "run_id": run.pk,
        "provider": "lab",
        "model": "one",
        "outcome": "completed",
        "started_at": AT,
        "input_tokens": 100,
        "output_tokens": 20,
        "usage_source": "reported",
        "price": PRICE,
        "cost": Decimal("0.000360000"),
        "currency": "USD",
        **changes,
    }


def found() -> list[str]:
    """What it names; the last line is the sum of it."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("verify_ledger", stdout=out)
    assert error.value.returncode == 1
    lines = out.getvalue().splitlines()
    assert str(error.value).startswith(f"{len(lines)} differences in ")
    return lines


def test_where_all_adds_up_it_says_so():
    out = StringIO()

    call_command("verify_ledger", stdout=out)

    assert out.getvalue() == "The ledger adds up: 2 calls, 1 runs, 1 daily sums.\n"


def test_an_empty_ledger_adds_up():
    Run.objects.all().delete()
    ModelCall.objects.all().delete()
    UsageDay.objects.all().delete()

    call_command("verify_ledger", stdout=StringIO())


def test_a_row_that_is_gone_is_missed_by_its_day_and_its_run(run: Run):
    ModelCall.objects.filter(attempt=2).delete()

    day, its_run = found()

    assert day.startswith(f"day 2026-03-04, lab/one, {run.user.pseudonym} (answer, USD, reported): ")
    assert "2 calls in the sums, 1 in the rows" in day
    assert "0.000720000 cost in the sums, 0.000360000 in the rows" in day
    assert its_run.startswith(
        f"run {run.pk} (message {run.message_id}): says 200 input tokens, its rows 100; "
    )


def test_a_changed_counter_is_found(run: Run):
    ModelCall.objects.filter(attempt=2).update(output_tokens=21, cost=Decimal("0.000368"))

    day, its_run = found()

    assert "40 output tokens in the sums, 41 in the rows" in day
    assert "says it costs 0.000720000 USD, its rows 0.000728000 USD" in its_run


@pytest.mark.parametrize(
    "change",
    [{"calls": 3}, {"cached_tokens": 1}, {"cost_billionths": 720_001}, {"model": "two"}, {"currency": "EUR"}],
)
def test_a_changed_sum_is_found(change: dict[str, Any]):
    UsageDay.objects.update(**change)

    assert all(line.startswith("day 2026-03-04") for line in found())


def test_a_sum_that_is_gone_is_found():
    UsageDay.objects.all().delete()

    [day] = found()

    assert "0 calls in the sums, 2 in the rows" in day


@pytest.mark.parametrize("change", [{"cost": Decimal("0.1")}, {"usage": {"input_tokens": 1}}, {"usage": {}}])
def test_a_run_that_says_otherwise_is_found(run: Run, change: dict[str, Any]):
    Run.objects.update(**change)

    [its_run] = found()

    assert its_run.startswith(f"run {run.pk} ")


def test_a_run_without_rows_that_says_it_used_something_is_found(run: Run):
    other = RunFactory.create(finished_at=AT, usage=Run.objects.get().usage)

    [its_run] = found()

    assert its_run.startswith(f"run {other.pk} ")


def test_runs_that_have_not_ended_are_left_out_of_it(run: Run):
    going_on = RunFactory.create(status="running")
    write_calls([row(going_on)])

    call_command("verify_ledger", stdout=StringIO())


def test_a_row_in_the_name_of_somebody_else_is_found(run: Run):
    other = UserFactory.create()
    call = ModelCall.objects.get(attempt=2)
    UsageDay.objects.update(calls=1, input_tokens=100, output_tokens=20, cost_billionths=360_000)
    ModelCall.objects.filter(pk=call.pk).delete()
    write_calls([row(run, attempt=2, pseudonym=other.pseudonym, id=call.pk)])

    assert found() == [f"call {call.pk}: its pseudonym is not that of its account"]


def test_a_cost_that_is_not_tokens_at_their_price_is_found(run: Run):
    other = RunFactory.create(status="running")
    [change] = write_calls([row(other, cost=Decimal("0.5"))])

    assert found() == [f"call {change.now['id']}: costs 0.500000000 USD, by its price 0.000360000 USD"]


def test_a_call_under_way_of_a_run_that_has_ended_is_found(run: Run):
    call = row(run, attempt=3, outcome="running", cost=None, currency="", usage_source="reported")
    write_calls([call])

    assert f"call {call['id']}: is under way, though its run {run.pk} has ended" in found()


def test_the_sums_can_be_made_anew():
    UsageDay.objects.update(calls=7, model="two")
    out = StringIO()

    call_command("verify_ledger", "--rebuild-days", stdout=out)

    assert out.getvalue().startswith("Made 1 daily sums anew.\nThe ledger adds up")


@pytest.mark.django_db(transaction=True)
def test_it_reads_beside_somebody_who_writes():
    call_command("verify_ledger", stdout=StringIO())
