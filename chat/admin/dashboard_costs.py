"""What was spent in a period, from the ledger's sums by day: in all, by day, and by whom and what most of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from msgspec import Struct

from chat.admin.bar_chart import Chart, bar_chart
from chat.admin.run_words import amount, money
from chat.usage.reports import UsageRow, names_of, usage

MOST_NAMED: Final = 8


class Spent(Struct, frozen=True):
    label: str
    amount: str
    calls: str
    url: str


class Costs(Struct, frozen=True):
    """`charts` has one a currency: they are never added up."""

    total: tuple[str, ...]
    estimated: bool
    charts: tuple[tuple[str, Chart], ...]
    models: tuple[Spent, ...]
    people: tuple[Spent, ...]
    url: str


def costs(since: date, until: date) -> Costs:
    days = list(usage(["day"], since=since, until=until))
    models = list(usage(["model"], since=since, until=until))
    people = list(usage(["user"], since=since, until=until))
    top = _most_spent(people)
    names = names_of([row.pseudonym for row in top if row.pseudonym])
    currencies = sorted({cost.currency for row in days for cost in row.costs}) or [settings.CURRENCY]
    return Costs(
        total=tuple(money(rounded(_sum(days, currency)), currency) for currency in currencies),
        estimated=any(row.estimated_calls for row in days),
        charts=tuple((currency, _chart(days, since, until, currency)) for currency in currencies),
        models=tuple(
            Spent(
                f"{row.provider}/{row.model}",
                _spent(row),
                amount(row.calls),
                _calls_url(since, provider=row.provider, model=row.model),
            )
            for row in _most_spent(models)
        ),
        people=tuple(
            Spent(
                names.get(row.pseudonym, _("an account that is gone")) if row.pseudonym else "–",
                _spent(row),
                amount(row.calls),
                _calls_url(since, pseudonym=row.pseudonym),
            )
            for row in top
        ),
        url=_usage_url(since, until),
    )


def _most_spent(rows: Iterable[UsageRow]) -> list[UsageRow]:
    return sorted(rows, key=lambda row: (-sum(cost.amount for cost in row.costs), -row.calls))[:MOST_NAMED]


def _chart(days: Sequence[UsageRow], since: date, until: date, currency: str) -> Chart:
    spent: Mapping[date | None, Decimal] = {row.day: _of(row, currency) for row in days}
    values = []
    for number in range((until - since).days + 1):
        day = since + timedelta(days=number)
        figure = spent.get(day, Decimal(0))
        values.append((str(date_format(day, "j M")), money(rounded(figure), currency), figure))
    return bar_chart(values, currency)


def _of(row: UsageRow, currency: str) -> Decimal:
    return sum((cost.amount for cost in row.costs if cost.currency == currency), Decimal(0))


def _sum(rows: Iterable[UsageRow], currency: str) -> Decimal:
    return sum((_of(row, currency) for row in rows), Decimal(0))


def _spent(row: UsageRow) -> str:
    told = " + ".join(money(rounded(cost.amount), cost.currency) for cost in row.costs) or "–"
    return f"~{told}" if row.estimated_calls else told


def rounded(figure: Decimal) -> Decimal:
    """For a glance: cents, and of less than one unit four places. The list behind it has all digits."""
    return figure.quantize(Decimal("0.01") if figure >= 1 else Decimal("0.0001"))


def _usage_url(since: date, until: date) -> str:
    query = {"since": since, "until": until, "group_by": "day"}
    return f"{reverse('admin:chat_usageday_changelist')}?{urlencode(query)}"


def _calls_url(since: date, **of: Any) -> str:
    query = {"started_at__gte": f"{since.isoformat()}T00:00:00+00:00"}
    query |= {f"{name}__exact": str(value) for name, value in of.items()}
    return f"{reverse('admin:chat_modelcall_changelist')}?{urlencode(query)}"
