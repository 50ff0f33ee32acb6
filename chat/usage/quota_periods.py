"""When the periods of quotas begin and end: days and months in the site's time zone."""

from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from django.utils import timezone

from chat.models.quotas import ALWAYS, DAYS, MONEY, TOKENS

PERIODICAL: Final = (*TOKENS, *MONEY)
"""Figures that begin anew with a period."""


def begins(kind: str, moment: datetime) -> date:
    """The first day of the period in which `moment` lies."""
    if kind not in PERIODICAL:
        return ALWAYS
    day = timezone.localtime(moment, zone()).date()
    return day if kind in DAYS else day.replace(day=1)


def follows(kind: str, starts: date) -> date:
    """The first day of the next period."""
    if kind in DAYS:
        return starts + timedelta(days=1)
    return (starts.replace(day=1) + timedelta(days=32)).replace(day=1)


def midnight(day: date) -> datetime:
    """Where a clock change has taken the hour away, the first moment after it."""
    return datetime.combine(day, time(), zone())


def resets_at(kind: str, moment: datetime) -> datetime | None:
    """None of figures without a period."""
    if kind not in PERIODICAL:
        return None
    return midnight(follows(kind, begins(kind, moment)))


def zone() -> tzinfo:
    """The site's, whatever the reader's is."""
    return timezone.get_default_timezone()
