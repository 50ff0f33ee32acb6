"""What was used between two days, grouped: from the ledger's daily sums, in one query."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet, Sum
from msgspec import Struct

from chat.exceptions import InvalidRequest
from chat.models import ModelCall, UsageDay, User
from chat.models.usage import money_of

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "day": ("day",),
    "model": ("provider", "model"),
    "user": ("pseudonym",),
    "provider": ("provider",),
}
"""What can be grouped by, and the columns that tell one group from another."""
_COUNTED: Final = (
    "calls",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
_ESTIMATED: Final = Q(usage_source=ModelCall.Source.ESTIMATED)
_UNKNOWN: Final = Q(usage_source=ModelCall.Source.UNKNOWN)


class Cost(Struct, frozen=True):
    """In one currency; `estimated` is how much of it goes by tokens that were estimated."""

    currency: str
    amount: Decimal
    estimated: Decimal


class UsageRow(Struct, frozen=True):
    """One group. What it is not grouped by is None. Costs are one a currency, and are never added up."""

    calls: int
    estimated_calls: int
    """Whose tokens were estimated, all or some of them."""
    unknown_calls: int
    """Of which nobody knows the tokens: the sums hold nothing of them."""
    unpriced_calls: int
    """Whose cost is not known."""
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    costs: tuple[Cost, ...]
    day: date | None = None
    provider: str | None = None
    model: str | None = None
    pseudonym: UUID | None = None

    @property
    def source(self) -> str:
        """The weakest of its calls', as with a run's figures: `reported`, `estimated` or `unknown`."""
        return "unknown" if self.unknown_calls else "estimated" if self.estimated_calls else "reported"


def usage(
    group_by: Sequence[str] = (),
    *,
    since: date | None = None,
    until: date | None = None,
    pseudonym: UUID | None = None,
    provider: str | None = None,
    model: str | None = None,
) -> Iterator[UsageRow]:
    """The groups between two days in UTC, both of them included, in their order; with `pseudonym`, one person's.

    Without groups one row, or none where nothing was used. Rows are made one after another, however many there are.

    Raises:
        InvalidRequest: no such group.
    """
    columns = columns_of_groups(group_by)
    wanted = {
        "day__gte": since,
        "day__lte": until,
        "pseudonym": pseudonym,
        "provider": provider,
        "model": model,
    }
    days = UsageDay.objects.filter(**{name: value for name, value in wanted.items() if value is not None})
    return _rows(days, columns)


def columns_of_groups(group_by: Sequence[str]) -> tuple[str, ...]:
    """
    Raises:
        InvalidRequest: no such group.
    """
    if strange := [name for name in group_by if name not in GROUPS]:
        raise InvalidRequest(f"Not a group: {strange[0]!r}. There is: {', '.join(GROUPS)}.", field="group_by")
    return tuple(dict.fromkeys(column for name in group_by for column in GROUPS[name]))


def names_of(pseudonyms: Sequence[UUID]) -> dict[UUID, str]:
    """Of those that still have an account."""
    return dict(User.objects.filter(pseudonym__in=set(pseudonyms)).values_list("pseudonym", "username"))


def _rows(days: QuerySet[UsageDay], columns: tuple[str, ...]) -> Iterator[UsageRow]:
    """The database adds up by group and currency; here the currencies of a group come together."""
    order = (*columns, "currency")
    sums = days.order_by(*order).values(*order)
    # Not called as the columns are: an aggregate of that name would hide the column from the next one.
    found = sums.annotate(
        **{f"sum_{name}": Sum(name) for name in _COUNTED},
        sum_cost=Sum("cost_billionths"),
        sum_estimated=Sum("cost_billionths", filter=_ESTIMATED, default=0),
        estimated_calls=Sum("calls", filter=_ESTIMATED, default=0),
        unknown_calls=Sum("calls", filter=_UNKNOWN, default=0),
    )
    # As many groups as people times days are read as they come. PostgreSQL cannot share the work among processes then,
    # so fewer are read at once.
    many = {"day", "pseudonym"} <= set(columns)
    rows = found.iterator() if many else iter(found)
    for _, of_group in groupby(rows, lambda row: [row[name] for name in columns]):
        yield _row(list(of_group), columns)


def _row(by_currency: Sequence[dict[str, Any]], columns: tuple[str, ...]) -> UsageRow:
    def together(name: str) -> int:
        return sum(int(row[name]) for row in by_currency)

    group: dict[str, Any] = {name: by_currency[0][name] for name in columns}
    counted: dict[str, Any] = {name: together(f"sum_{name}") for name in _COUNTED}
    return UsageRow(
        **counted,
        estimated_calls=together("estimated_calls"),
        unknown_calls=together("unknown_calls"),
        unpriced_calls=sum(int(row["sum_calls"]) for row in by_currency if not row["currency"]),
        costs=tuple(
            Cost(row["currency"], money_of(row["sum_cost"]), money_of(row["sum_estimated"]))
            for row in by_currency
            if row["currency"]
        ),
        **group,
    )
