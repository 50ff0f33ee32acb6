"""What one model call, or all of a run's, used and cost."""

from decimal import Decimal

from msgspec import Struct, convert

from chat.events import run_events as ev
from chat.llm.deltas import Usage


class Bill(Struct, frozen=True):
    """The cost is None where nothing is known to cost, or where it would take a sum over currencies."""

    usage: Usage
    source: ev.UsageSource
    cost: Decimal | None = None
    currency: str = ""
    refused: bool = False
    """There was no answer at all: nobody bills that, so it does not weaken the source of a sum."""

    @property
    def figures(self) -> ev.UsageFigures:
        return ev.UsageFigures(**self.usage.counters(), source=self.source)

    @property
    def money(self) -> ev.Money | None:
        return None if self.cost is None else ev.Money(f"{self.cost:f}", self.currency)


def total(bills: list[Bill]) -> Bill:
    """The source is the weakest one's."""
    if len(bills) == 1:
        return bills[0]
    sources = [bill.source for bill in bills if not bill.refused]
    totals: dict[str, int] = {}
    for bill in bills:
        for name, tokens in bill.usage.counters().items():
            if tokens is not None:
                totals[name] = totals.get(name, 0) + tokens
    costs = [bill for bill in bills if bill.cost is not None]
    one_currency = len({bill.currency for bill in costs}) == 1
    return Bill(
        convert(totals, Usage),
        min(sources, key=("unknown", "estimated", "reported").index, default="unknown"),
        sum((bill.cost for bill in costs if bill.cost is not None), Decimal(0)) if one_currency else None,
        costs[0].currency if one_currency else "",
    )
