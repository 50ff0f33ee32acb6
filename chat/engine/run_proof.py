"""Proves that runs, which their messages show, say what their rows in the ledger come to."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from chat.engine.bill import Bill, total
from chat.engine.billed import bill_of
from chat.llm.deltas import Usage
from chat.models import ModelCall, Run
from chat.usage.ledger import COUNTERS

AT_ONCE: Final = 2000
NOTHING: Final = Bill(Usage(), "unknown")


def runs_that_differ() -> Iterator[str]:
    """Of those that have ended. Both tables are read in the order of the runs' keys, side by side."""
    runs = Run.objects.exclude(finished_at=None).order_by("pk")
    columns = runs.values_list("pk", "message_id", "usage", "cost", "currency")
    billed = _billed()
    run, bill = next(billed, (None, NOTHING))
    for key, message, usage, cost, currency in columns.iterator(chunk_size=AT_ONCE):
        while run is not None and run < key:  # of one that has not ended
            run, bill = next(billed, (None, NOTHING))
        its = bill if run == key else NOTHING
        if parts := _parts(usage or {}, cost, currency, its):
            yield f"run {key} (message {message}): " + "; ".join(parts)


def _billed() -> Iterator[tuple[UUID, Bill]]:
    needed = ("pk", "run_id", "outcome", "http_status", "usage_source", "cost", "currency", *COUNTERS)
    rows: Iterable[ModelCall] = ModelCall.objects.exclude(run=None).order_by("run_id").only(*needed)
    in_order = rows.iterator(chunk_size=AT_ONCE)  # type: ignore[attr-defined]
    for run, calls in groupby(in_order, lambda call: call.run_id):
        yield run, total([bill_of(call) for call in calls])


def _parts(usage: dict[str, Any], cost: Any, currency: str, bill: Bill) -> list[str]:
    said = {**dict.fromkeys(COUNTERS), "source": "unknown", **usage}
    expected = {**bill.usage.counters(), "source": bill.source}
    parts = [
        f"says {said[name]} {name.replace('_', ' ')}, its rows {expected[name]}"
        for name in (*COUNTERS, "source")
        if said[name] != expected[name]
    ]
    if (cost, currency if cost is not None else "") != (
        bill.cost,
        bill.currency if bill.cost is not None else "",
    ):
        parts.append(f"says it costs {_money(cost, currency)}, its rows {_money(bill.cost, bill.currency)}")
    return parts


def _money(cost: Any, currency: str) -> str:
    return "nothing known" if cost is None else f"{cost:f} {currency}"
