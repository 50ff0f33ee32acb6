"""The ledger of one run: tokens and price line by line, so that the lines add up to each row to its last digit."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from django.urls import reverse
from django.utils.translation import gettext as _
from msgspec import Struct, convert

from chat.admin.run_words import amount, clock_time, money
from chat.llm.deltas import Usage
from chat.models import ModelCall, Reservation, Run
from chat.usage.ledger import COUNTERS
from chat.usage.price_lines import PriceLine, lines_of
from chat.usage.pricing import PriceList


class Entry(Struct, frozen=True):
    """A line of the ledger's table."""

    at: str
    line: str
    step: str
    tokens: str
    price: str
    amount: str
    source: str
    estimated: bool = False
    url: str = ""


class Aside(Struct, frozen=True):
    """What was set aside before a step's calls, by the quotas that bind its user."""

    at: str
    step: str
    tokens: str
    amount: str
    state: str
    ended: str


def set_aside(reservations: Iterable[Reservation]) -> Iterator[Aside]:
    for row in reservations:
        yield Aside(
            at=clock_time(row.created_at),
            step=f"{row.step}"
            if row.epoch <= 1
            else _("%(step)d, epoch %(epoch)d") % {"step": row.step, "epoch": row.epoch},
            tokens=amount(row.input_tokens + row.output_tokens),
            amount="–" if row.cost is None else money(row.cost, row.currency),
            state=str(row.get_state_display()),
            ended="–" if row.ended_at is None else clock_time(row.ended_at),
        )


def entries(call: ModelCall) -> Iterator[Entry]:
    """Lines that add up to the row's cost to the last digit; what rounding has done is a line of its own."""
    at = clock_time(call.started_at + timedelta(milliseconds=call.duration_ms or 0))
    step = (
        f"{call.step}"
        if call.attempt == 1
        else _("%(step)d, attempt %(attempt)d") % {"step": call.step, "attempt": call.attempt}
    )
    url = reverse("admin:chat_modelcall_change", args=[call.pk])
    source = str(call.get_usage_source_display()).lower()
    estimated = call.usage_source == ModelCall.Source.ESTIMATED
    usage = Usage(**{name: getattr(call, name) for name in COUNTERS})
    if usage == Usage():
        yield Entry(at, call.outcome, step, "–", "–", "–", source, url=url)
        return
    price = convert(call.price, PriceList) if call.price is not None else None
    lines = lines_of(usage, price or PriceList(Decimal(0), Decimal(0)))
    for line in lines:
        per_million = f"{money(line.price, price.currency)} / M" if price else "–"
        cost = money(line.amount, price.currency) if price and call.cost is not None else "–"
        yield Entry(
            at, _kind_words(line), step, amount(line.tokens), per_million, cost, source, estimated, url
        )
    if price is not None and call.cost is not None:
        off = call.cost - sum((line.amount for line in lines), Decimal(0))
        if off:
            yield Entry(at, _("rounding"), step, "", "", money(off, call.currency), "", url=url)


def _kind_words(line: PriceLine) -> str:
    return {
        "cached": _("input, cached"),
        "cache_write": _("input, written to the cache"),
        "input": _("input"),
        "reasoning": _("output, reasoning"),
        "output": _("output"),
    }[line.kind]


def charged(calls: Sequence[ModelCall]) -> Entry:
    tokens = sum((call.input_tokens or 0) + (call.output_tokens or 0) for call in calls)
    return Entry("", _("Charged"), "", amount(tokens), "", " + ".join(_sums(calls)) or "–", "")


def _sums(calls: Sequence[ModelCall]) -> list[str]:
    sums: dict[str, Decimal] = {}
    for call in calls:
        if call.cost is not None:
            sums[call.currency] = sums.get(call.currency, Decimal(0)) + call.cost
    return [money(total, currency) for currency, total in sorted(sums.items())]


def disagrees(run: Run, calls: Sequence[ModelCall]) -> str:
    """What the run's own row says, where that is not what its rows of the ledger come to."""
    sums = _sums(calls)
    if run.finished_at is None or run.cost is None or sums in ([money(run.cost, run.currency)], []):
        return ""
    return _("The run's own row says %(cost)s.") % {"cost": money(run.cost, run.currency)}
