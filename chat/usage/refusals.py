"""What somebody is told whose quota does not let him: which limit it is, how much is left, when it begins anew."""

from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from chat.exceptions import BudgetExceeded, QuotaExceeded
from chat.models import QuotaUse
from chat.models.quotas import DAYS, MONEY
from chat.models.usage import money_of
from chat.usage.known_quotas import Limit
from chat.usage.quota_periods import resets_at, zone


def too_many_messages(limit: Limit, wait_seconds: float | None) -> QuotaExceeded:
    words = f"{_whose(limit)} limit is {_counted(limit.amount, 'message')} a minute."
    return QuotaExceeded(words, retry_after_seconds=None if wait_seconds is None else max(wait_seconds, 0.1))


def too_many_runs(limit: Limit) -> QuotaExceeded:
    words = f"{_whose(limit)} limit is {_counted(limit.amount, 'answer')} at once."
    return QuotaExceeded(f"{words} Wait until one has ended, or stop it.")


def passed(row: QuotaUse, limit: Limit, amount: int, now: datetime) -> QuotaExceeded | BudgetExceeded:
    """`amount` more does not fit."""
    row.refresh_from_db(fields=["used", "assumed", "reserved"])
    left = max(limit.amount - row.taken, 0)
    period = "day" if limit.kind in DAYS else "month"
    ends = resets_at(limit.kind, now)
    assert ends is not None  # noqa: S101  (only figures with a period are reserved)
    whole, rest, wanted = (_shown(limit, figure) for figure in (limit.amount, left, amount))
    if left == 0:
        words = f"{_whose(limit)} limit of {whole} a {period} is used up."
    else:
        words = (
            f"{_whose(limit)} limit is {whole} a {period}: {rest} are left, and this may take up to {wanted}."
        )
    if amount <= limit.amount:
        words += f" It begins anew on {_told(ends)}."
    kind = BudgetExceeded if limit.kind in MONEY else QuotaExceeded
    return kind(words, retry_after_seconds=round((ends - now).total_seconds()), resets_at=ends)


def _whose(limit: Limit) -> str:
    if limit.token is not None:
        return "This API token's"
    return "Your" if limit.group is None else "Your group's"


def _shown(limit: Limit, amount: int) -> str:
    if limit.kind in MONEY:
        return f"{_short(money_of(amount))} {limit.currency}"
    return f"{amount:,} token{'s' if amount != 1 else ''}"


def _short(amount: Decimal) -> str:
    """Two places, more where it is less than a cent."""
    if amount and amount < Decimal("0.01"):
        return f"{amount:.6f}".rstrip("0") if amount >= Decimal("0.000001") else "less than 0.000001"
    return f"{amount:.2f}"


def _counted(amount: int, noun: str) -> str:
    return f"{amount} {noun}{'s' if amount != 1 else ''}"


def _told(moment: datetime) -> str:
    """In the site's time, which it names."""
    local = timezone.localtime(moment, zone())
    return f"{local.day} {local:%B} at {local:%H:%M} {local:%Z}"
