"""What was used, by day, model, person and provider: from the ledger's daily sums, on a page and as CSV."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from msgspec import Struct

from chat.admin.mixins import ReadOnly
from chat.exceptions import InvalidRequest
from chat.models import UsageDay
from chat.models.usage import NOBODY
from chat.usage.periods import Period, read_groups, today
from chat.usage.reports import UsageRow, names_of, usage

MOST_SHOWN: Final = 500
NAMES_AT_ONCE: Final = 500
GROUPS: Final = {
    "day": gettext_lazy("Day"),
    "model": gettext_lazy("Model"),
    "user": gettext_lazy("Person"),
    "provider": gettext_lazy("Provider"),
    "day,model": gettext_lazy("Day and model"),
    "user,model": gettext_lazy("Person and model"),
    "day,user": gettext_lazy("Day and person"),
    "day,user,model": gettext_lazy("Day, person and model"),
}
CSV_COLUMNS: Final = (
    "day", "provider", "model", "pseudonym", "person", "currency", "cost", "estimated_cost", "calls", "estimated_calls",
    "unknown_calls", "unpriced_calls", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens",
)  # fmt: skip
_BEGINS_A_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class PeriodForm(forms.Form):
    since = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    group_by = forms.ChoiceField(required=False, choices=list(GROUPS.items()))


class Shown(Struct, frozen=True):
    """A row as the page shows it. `rows_url` leads to the rows of the ledger that it sums up."""

    row: UsageRow
    name: str
    rows_url: str


@admin.register(UsageDay)
class UsageDayAdmin(ReadOnly):
    """Its list is the page; single sums are of no interest to anybody."""

    def changelist_view(  # type: ignore[override]
        self, request: HttpRequest, _extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = PeriodForm(request.GET)
        try:
            chosen = form.cleaned_data if form.is_valid() else {}
            period = Period.asked(chosen.get("since"), chosen.get("until"), today=today())
        except InvalidRequest as error:
            form.add_error("until", str(error))
            period = Period.asked(None, None, today=today())
        group_by = chosen.get("group_by") or "day"
        if request.GET.get("format") == "csv":
            return _csv(read_groups(group_by), period)
        return self._page(request, form, group_by, period)

    def change_view(self, *_args: Any, **_kwargs: Any) -> HttpResponse:
        raise PermissionDenied

    def _page(self, request: HttpRequest, form: PeriodForm, group_by: str, period: Period) -> HttpResponse:
        groups = read_groups(group_by)
        found = list(_up_to(MOST_SHOWN + 1, usage(groups, since=period.since, until=period.until)))
        rows = found[:MOST_SHOWN]
        names = names_of([row.pseudonym for row in rows if row.pseudonym])
        shown = [Shown(row, _name(row.pseudonym, names), _rows_url(row, period)) for row in rows]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Usage"),
            "opts": self.opts,
            "form": form,
            "groups": groups,
            "chosen": group_by,
            "choices": GROUPS.items(),
            "period": period,
            "periods": _periods(group_by, period),
            "rows": shown,
            "more": len(found) > MOST_SHOWN,
            "most": MOST_SHOWN,
            "total": next(usage((), since=period.since, until=period.until), None),
            "csv_url": "?" + urlencode(_query(group_by, period) | {"format": "csv"}),
            "may_see_rows": request.user.has_perm("chat.view_modelcall"),
        }
        return TemplateResponse(request, "admin/chat/usage.html", context)


def _up_to(most: int, rows: Iterator[UsageRow]) -> Iterator[UsageRow]:
    for _number, row in zip(range(most), rows, strict=False):
        yield row


def _query(group_by: str, period: Period) -> dict[str, str]:
    return {"group_by": group_by, "since": period.since.isoformat(), "until": period.until.isoformat()}


def _periods(group_by: str, period: Period) -> list[dict[str, Any]]:
    """Common ones that end today."""
    last = today()
    found = []
    for label, days in ((_("7 days"), 7), (_("30 days"), 30), (_("90 days"), 90), (_("A year"), 365)):
        one = Period(last - timedelta(days=days - 1), last)
        found.append(
            {"label": label, "url": "?" + urlencode(_query(group_by, one)), "current": one == period}
        )
    return found


def _name(pseudonym: UUID | None, names: Mapping[UUID, str]) -> str:
    if pseudonym is None:
        return ""
    return names.get(pseudonym) or (
        _("nobody known") if pseudonym == NOBODY else _("an account that is gone")
    )


def _rows_url(row: UsageRow, period: Period) -> str:
    first, last = (row.day, row.day) if row.day is not None else (period.since, period.until)
    wanted: dict[str, object] = {
        "started_at__gte": f"{first} 00:00:00+00:00",
        "started_at__lt": f"{last + timedelta(days=1)} 00:00:00+00:00",
    }
    same = {"provider__exact": row.provider, "model__exact": row.model, "pseudonym__exact": row.pseudonym}
    wanted |= {name: value for name, value in same.items() if value is not None}
    return reverse("admin:chat_modelcall_changelist") + "?" + urlencode(wanted)


# --- CSV ------------------------------------------------------------------------------------------------


class _Echo:
    """A file that gives back what is written into it."""

    def write(self, text: str) -> str:
        return text


def _csv(groups: Sequence[str], period: Period) -> StreamingHttpResponse:
    """All of it, a line at a time. One line a group and currency: nobody adds up what is of two kinds."""
    writer = csv.writer(_Echo())
    rows = usage(groups, since=period.since, until=period.until)
    lines = (writer.writerow([_cell(value) for value in line]) for line in _lines(rows))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    name = f"usage-{period.since}-{period.until}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _lines(rows: Iterable[UsageRow]) -> Iterator[Sequence[object]]:
    yield CSV_COLUMNS
    waiting: list[UsageRow] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) >= NAMES_AT_ONCE:
            yield from _named(waiting)
            waiting = []
    yield from _named(waiting)


def _named(rows: Sequence[UsageRow]) -> Iterator[Sequence[object]]:
    names = names_of([row.pseudonym for row in rows if row.pseudonym])
    for row in rows:
        whose = (row.day, row.provider, row.model, row.pseudonym, _name(row.pseudonym, names))
        counts = [getattr(row, name) for name in CSV_COLUMNS[8:]]
        if not row.costs:
            yield [*whose, "", "", "", *counts]
        # Calls and tokens are those of the group, and stand in its first line alone.
        for place, cost in enumerate(row.costs):
            yield [
                *whose, cost.currency, f"{cost.amount:f}", f"{cost.estimated:f}",
                *(counts if place == 0 else [0] * len(counts)),
            ]  # fmt: skip


def _cell(value: object) -> object:
    """What somebody has named so that a spreadsheet would reckon with it stays text."""
    if isinstance(value, date):
        return value.isoformat()
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_BEGINS_A_FORMULA):
        return f"'{value}"
    return value
