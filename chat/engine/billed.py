"""What the ledger has of a run, and a run's own figures made to agree with it."""

from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from django.db.models import Q
from msgspec import to_builtins

from chat.engine.bill import Bill, total
from chat.events.run_events import UsageSource
from chat.llm.deltas import Usage
from chat.models import ModelCall, Run
from chat.models.usage import LOST, UNDER_WAY
from chat.usage.ledger import COUNTERS, columns_of, write_calls

AT_ONCE: Final = 500
NO_ERRORS: Final = ("completed", "stopped", "internal", LOST, UNDER_WAY)
"""Outcomes of calls that no error of the provider has ended."""


def billed(run: UUID) -> Bill | None:
    """Of all its model calls; None where there was none."""
    bills = [bill_of(row) for row in ModelCall.objects.filter(run=run)]
    return total(bills) if bills else None


def bill_of(row: ModelCall) -> Bill:
    refused = row.outcome not in NO_ERRORS and (row.http_status is None or row.http_status >= 400)
    return Bill(
        Usage(**{name: getattr(row, name) for name in COUNTERS}),
        cast(UsageSource, row.usage_source),
        row.cost,
        row.currency,
        refused=refused and row.usage_source == ModelCall.Source.UNKNOWN,
    )


def figures_of(bill: Bill | None) -> dict[str, Any]:
    """The columns of `Run` that say what it used."""
    if bill is None:
        return {}
    return {
        "usage": to_builtins(bill.figures),
        "cost": bill.cost,
        "currency": bill.currency if bill.cost is not None else "",
    }


def recount(run: UUID) -> None:
    """A run that has ended says what its rows come to. Its row is locked by the caller."""
    figures = figures_of(billed(run))
    if figures:
        Run.objects.filter(pk=run).exclude(finished_at=None).update(**figures)


def close_forgotten(before: datetime) -> int:
    """Calls that began before then, and whose run has ended or is gone: their process died, nobody took them over."""
    ended = Q(run=None) | Q(run__finished_at__isnull=False)
    forgotten = ModelCall.objects.filter(ended, outcome=UNDER_WAY, started_at__lt=before).order_by(
        "started_at"
    )
    rows = [{**columns_of(call), "outcome": LOST} for call in forgotten[:AT_ONCE]]
    return len(write_calls(rows))


def close_left_open(run: UUID) -> None:
    """Calls that nobody will bill any more. Only of a run that has just ended in the caller's transaction."""
    left = ModelCall.objects.filter(run=run, outcome=UNDER_WAY)
    write_calls({**columns_of(call), "outcome": LOST} for call in left)
