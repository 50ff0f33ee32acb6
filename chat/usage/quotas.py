"""How near people are to their quotas, for those who run the site."""

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from msgspec import Struct

from chat.models import Quota, QuotaUse, User
from chat.models.quotas import MONEY, Kind
from chat.models.usage import billionths_of, money_of
from chat.usage.quota_periods import PERIODICAL, begins, resets_at

MOST_SHOWN: Final = 100


class Nearness(Struct, frozen=True):
    """One figure of one quota in its current period. Amounts are tokens, or money in `currency`."""

    quota: UUID
    name: str
    kind: Kind
    who: str
    """Name of a person or an API token; "" where many share the figure, or the account is gone."""
    used: Decimal
    reserved: Decimal
    limit: Decimal
    currency: str
    resets_at: datetime

    @property
    def taken(self) -> Decimal:
        return self.used + self.reserved

    @property
    def share(self) -> float:
        """Of the limit; 1 is all of it, also where the limit is nothing."""
        return float(self.taken / self.limit) if self.limit else 1.0

    @property
    def percent(self) -> int:
        """Rounded down: 100 is full."""
        return int(min(self.share, 1.0) * 100)

    @property
    def left(self) -> Decimal:
        return max(self.limit - self.taken, Decimal(0))


def near_the_end(share: float, *, now: datetime | None = None, most: int = MOST_SHOWN) -> list[Nearness]:
    """Figures of which at least this share is used or set aside, in their current period, the fullest first."""
    found = _nearness(_current(now or timezone.now()), now or timezone.now())
    return sorted((one for one in found if one.share >= share), key=lambda one: -one.share)[:most]


def nearness_of(user: User, *, now: datetime | None = None) -> list[Nearness]:
    """What binds one person alone and has begun in the current period, the fullest first."""
    now = now or timezone.now()
    found = _nearness(_current(now) & Q(subject=user.pseudonym), now)
    return sorted(found, key=lambda one: -one.share)


def _current(now: datetime) -> Q:
    periods = Q()
    for kind in PERIODICAL:
        periods |= Q(kind=kind, starts=begins(kind, now))
    return periods & Q(quota__enabled=True)


def figures_in_use(quotas: Collection[UUID], *, now: datetime | None = None) -> dict[UUID, Nearness]:
    """Of each of them the figure that is fullest in its current period."""
    now = now or timezone.now()
    found = _nearness(_current(now) & Q(quota__in=quotas), now)
    return {one.quota: one for one in sorted(found, key=lambda one: one.share)}


def nearness(row: QuotaUse, now: datetime, who: str = "") -> Nearness | None:
    """None of a figure without a period, and of one that its quota does not limit any more."""
    ends = resets_at(row.kind, now)
    quota: Quota = row.quota
    if ends is None or getattr(quota, row.kind) is None:
        return None
    if row.kind in MONEY and row.currency != quota.currency:
        return None
    shown = money_of if row.kind in MONEY else Decimal
    return Nearness(
        quota=quota.pk,
        name=quota.name,
        kind=Kind(row.kind),
        who=who,
        used=shown(row.used + row.assumed),
        reserved=shown(row.reserved),
        limit=Decimal(getattr(quota, row.kind)),
        currency=row.currency,
        resets_at=ends,
    )


def _nearness(which: Q, now: datetime) -> list[Nearness]:
    rows = list(QuotaUse.objects.filter(which).select_related("quota__token"))
    names = _names(row.subject for row in rows)
    found = (
        nearness(row, now, names.get(row.subject, "") or _token_of(row.quota, row.subject)) for row in rows
    )
    return [one for one in found if one is not None]


def _token_of(quota: Quota, subject: UUID) -> str:
    return str(quota.token) if quota.token_id == subject else ""


def _names(pseudonyms: Iterable[UUID]) -> dict[UUID, str]:
    people = User.objects.filter(pseudonym__in=set(pseudonyms))
    return dict(people.values_list("pseudonym", "username"))


def amount_of(quota: Quota, kind: str) -> int | None:
    """A quota's figure as its uses are counted: tokens, billionths, messages or runs; None where it does not limit."""
    figure = getattr(quota, kind)
    return billionths_of(figure) if kind in MONEY and figure is not None else figure
