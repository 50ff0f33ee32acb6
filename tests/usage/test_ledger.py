"""Rows of the ledger and the sums kept with them: counted once, whatever is written twice."""

import ast
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction

from chat.models import ModelCall, Run, UsageDay
from chat.models.base import new_id
from chat.usage.known_quotas import KNOWN
from chat.usage.ledger import columns_of, write_calls
from tests.factories import RunFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]

AT = datetime(2026, 3, 4, 23, 59, 59, 999_000, tzinfo=UTC)


@pytest.fixture
def run() -> Run:
    made: Run = RunFactory.create()
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
        "price": {"input": "2", "output": "8", "currency": "USD"},
        "cost": Decimal("0.000360001"),
        "currency": "USD",
        **changes,
    }


def sums() -> list[tuple[Any, ...]]:
    days = UsageDay.objects.order_by("day", "currency", "usage_source")
    return [(one.day, one.calls, one.input_tokens, one.output_tokens, one.cost) for one in days]


ONE = (date(2026, 3, 4), 1, 100, 20, Decimal("0.000360001"))
TWO = (date(2026, 3, 4), 2, 200, 40, Decimal("0.000720002"))


def test_a_call_has_its_row_and_is_in_the_sum_of_its_day(run: Run):
    [change] = write_calls([row(run)])

    call = ModelCall.objects.get()
    assert (call.run, call.pseudonym, call.cost) == (run, run.user.pseudonym, Decimal("0.000360001"))
    assert sums() == [ONE]
    assert (change.before, change.now["id"], change.now["purpose"]) == (None, call.pk, "answer")


def test_a_second_call_of_the_day_is_added_to_the_same_sum(run: Run):
    write_calls([row(run)])
    write_calls([row(run, step=2)])

    assert sums() == [TWO]


def test_several_at_once_are_added_up(run: Run):
    write_calls([row(run, attempt=attempt) for attempt in (1, 2)])

    assert sums() == [TWO]


def test_the_same_rows_again_count_nothing(run: Run):
    rows = [row(run)]
    write_calls(rows)

    assert write_calls(rows) == []
    assert sums() == [ONE]


def test_a_call_under_way_counts_when_it_has_ended(run: Run):
    noted = row(run, outcome="running", input_tokens=None, output_tokens=None, cost=None, currency="")
    assert write_calls([noted]) == []
    assert sums() == []

    [change] = write_calls([row(run, id=noted["id"])])

    assert sums() == [ONE]
    assert change.before is None
    assert ModelCall.objects.get().outcome == "completed"


def test_what_has_ended_is_not_under_way_any_more(run: Run):
    ended = row(run)
    write_calls([ended])

    write_calls([{**ended, "outcome": "running"}])

    assert ModelCall.objects.get().outcome == "completed"
    assert sums() == [ONE]


def test_what_has_ended_does_not_end_otherwise(run: Run):
    ended = row(run)
    write_calls([ended])

    assert write_calls([{**ended, "outcome": "stopped", "output_tokens": 5}]) == []
    assert ModelCall.objects.get().output_tokens == 20


def test_a_call_that_was_thought_lost_is_corrected_with_its_sums(run: Run):
    lost = row(run, outcome="lost", output_tokens=7, usage_source="estimated", cost=Decimal("0.1"))
    write_calls([lost])

    [change] = write_calls([row(run, id=lost["id"], started_at=AT + timedelta(seconds=1))])

    assert ModelCall.objects.get().outcome == "completed"
    assert change.before is not None
    assert change.before["output_tokens"] == 7
    counted = UsageDay.objects.exclude(calls=0).get()
    assert (counted.day, counted.usage_source, counted.output_tokens) == (date(2026, 3, 5), "reported", 20)
    emptied = UsageDay.objects.get(calls=0)
    assert (emptied.output_tokens, emptied.cost) == (0, Decimal(0))


def test_kinds_have_sums_of_their_own(run: Run):
    other = UserFactory.create()
    changes: list[dict[str, Any]] = [
        {},
        {"started_at": AT + timedelta(seconds=1)},
        {"pseudonym": other.pseudonym, "user_id": other.pk},
        {"provider": "hall"},
        {"model": "two"},
        {"purpose": "title"},
        {"currency": "EUR"},
        {"usage_source": "estimated"},
    ]
    write_calls([row(run, step=step, **change) for step, change in enumerate(changes, 1)])

    assert UsageDay.objects.filter(calls=1).count() == len(changes)


def test_sums_of_costs_are_exact(run: Run):
    write_calls([row(run, attempt=attempt, cost=Decimal("0.100000001")) for attempt in range(1, 101)])

    assert UsageDay.objects.get().cost == Decimal("10.000000100")


def test_the_dearest_call_is_kept_exactly(run: Run):
    write_calls([row(run, cost=Decimal("999999.999999999"))])

    assert ModelCall.objects.get().cost == Decimal("999999.999999999")
    assert UsageDay.objects.get().cost == Decimal("999999.999999999")


def test_the_ledger_outlives_the_account(run: Run):
    pseudonym = run.user.pseudonym
    write_calls([row(run)])

    run.user.delete()

    call = ModelCall.objects.get()
    assert (call.user, call.run, call.pseudonym) == (None, None, pseudonym)
    assert UsageDay.objects.get().pseudonym == pseudonym


def test_a_row_that_cannot_be_written_counts_nothing(run: Run):
    write_calls([row(run)])

    with pytest.raises(IntegrityError), transaction.atomic():
        write_calls([row(run, step=2), row(run)])  # two rows for one attempt

    assert sums() == [ONE]
    assert ModelCall.objects.count() == 1


def test_a_row_can_be_written_back_as_it_stands(run: Run):
    write_calls([row(run, outcome="running")])

    write_calls([columns_of(ModelCall.objects.get()) | {"outcome": "lost"}])

    assert ModelCall.objects.get().outcome == "lost"
    assert sums() == [ONE]


def test_it_takes_two_statements(run: Run, django_assert_num_queries: Any):
    KNOWN.any()  # asked once a second
    with django_assert_num_queries(2):
        write_calls([row(run), row(run, step=2)])


def test_nobody_else_writes_rows_of_the_ledger():
    """By the names of the calls, in all of the product's own code; sums alone can be made anew from the rows."""
    found = []
    for file in sorted(Path(settings.BASE_DIR, "chat").rglob("*.py")):
        if file.name == "ledger.py" and file.parent.name == "usage":
            continue
        anew = file.parent.name == "usage" and file.name == "proof.py"
        calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        found += [
            f"{file}:{node.lineno}" for node in calls if _writes_rows(ast.unparse(node.func), anew=anew)
        ]
    assert found == []


def _writes_rows(called: str, *, anew: bool) -> bool:
    table, _, rest = called.partition(".")
    writes = ("create", "get_or_create", "bulk_create", "update", "bulk_update", "update_or_create", "delete")
    return (
        table in (("ModelCall",) if anew else ("ModelCall", "UsageDay")) and rest.rpartition(".")[2] in writes
    )
