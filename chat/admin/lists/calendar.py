"""The way down to a year, a month, a day: all that lie between the first row and the last one.

Django asks all rows which of them have some, and so reads every one of them.
"""

import calendar
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

Choices = dict[str, Any]
"""As `admin/date_hierarchy.html` takes them."""


class Calendar:
    def __init__(self, rows: "QuerySet[Any]", field: str, chosen: dict[str, Any], link: Any) -> None:
        """`chosen` are the page's parameters; `link` makes an address of others."""
        self._rows = rows
        self._field = field
        self._chosen = chosen
        self._link = link

    def shown(self) -> Choices | None:
        """None where there are no rows."""
        first, last = self._end(""), self._end("-")
        if first is None or last is None:
            return None
        year, month, day = (self._part(name) for name in ("year", "month", "day"))
        back: Choices | None = None
        if year is None and first.year == last.year:
            year = first.year
        elif year is not None:
            back = {"link": self._to(), "title": _("All dates")}
        if year is None:
            years = [(str(one), self._to(year=one)) for one in range(first.year, last.year + 1)]
            return _shown(None, years)
        if month is None:
            months = [one for one in range(1, 13) if _month(first) <= (year, one) <= _month(last)]
            return _shown(back, [(_named(year, one), self._to(year=year, month=one)) for one in months])
        back = {"link": self._to(year=year), "title": str(year)}
        if day is None:
            days = [date(year, month, one) for one in range(1, calendar.monthrange(year, month)[1] + 1)]
            within = [one for one in days if first <= one <= last]
            return _shown(
                back, [(_day(one), self._to(year=year, month=month, day=one.day)) for one in within]
            )
        back = {"link": self._to(year=year, month=month), "title": _named(year, month)}
        return _shown(back, [(_day(date(year, month, day)), "")])

    def _end(self, sign: str) -> date | None:
        found = self._rows.order_by(f"{sign}{self._field}").values_list(self._field, flat=True).first()
        if isinstance(found, datetime):
            return timezone.localtime(found).date()
        return found

    def _part(self, name: str) -> int | None:
        try:
            value = int(self._chosen[f"{self._field}__{name}"])
        except (KeyError, ValueError, TypeError):
            return None
        first, last = {"year": (1, 9999), "month": (1, 12), "day": (1, 31)}[name]
        return value if first <= value <= last else None

    def _to(self, **parts: int) -> str:
        named = {f"{self._field}__{name}": value for name, value in parts.items()}
        return str(self._link(named, [f"{self._field}__"]))


def _shown(back: Choices | None, choices: list[tuple[str, str]]) -> Choices:
    return {"back": back, "choices": [{"title": title, "link": link} for title, link in choices]}


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month


def _named(year: int, month: int) -> str:
    return str(capfirst(date_format(date(year, month, 1), "YEAR_MONTH_FORMAT")))


def _day(day: date) -> str:
    return str(capfirst(date_format(day, "MONTH_DAY_FORMAT")))
