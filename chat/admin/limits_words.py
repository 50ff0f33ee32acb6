"""What the page "Limits now" is made of: sections of facts and tables, and how figures are written."""

from datetime import timedelta

from django.utils import timezone
from django.utils.formats import time_format
from django.utils.translation import gettext as _
from msgspec import Struct

from chat.resilience.backends.base import BreakerView, State

NOTHING = "–"


class Cell(Struct, frozen=True):
    """`state` is a breaker's, for its colour."""

    text: str
    href: str = ""
    state: str = ""


class Fact(Struct, frozen=True):
    key: str
    label: str
    value: Cell


class Table(Struct, frozen=True):
    """`empty` is said in place of rows."""

    key: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str


class Section(Struct, frozen=True):
    title: str
    note: str = ""
    facts: tuple[Fact, ...] = ()
    tables: tuple[Table, ...] = ()


def state_cell(state: State) -> Cell:
    words: dict[State, str] = {
        "closed": _("closed: calls go through"),
        "open": _("open: left alone"),
        "half_open": _("half-open: found out by probes"),
        "forced_open": _("forced open by staff"),
        "forced_closed": _("forced closed by staff"),
    }
    return Cell(words[state], state=state)


def open_until(view: BreakerView) -> str:
    if view.state == "forced_open":
        return _("until staff end it")
    if view.state != "open":
        return NOTHING
    then = timezone.localtime(timezone.now() + timedelta(seconds=view.open_seconds))
    return _("%(time)s, in %(seconds)s") % {
        "time": time_format(then, "H:i:s"),
        "seconds": seconds(view.open_seconds),
    }


def of(count: int, most: int) -> str:
    return _("%(count)s of %(most)s") % {"count": amount(count), "most": amount(most)}


def amount(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 10 or figure == int(figure) else f"{figure:.1f}"


def rate(per_second: float) -> str:
    if per_second >= 1:
        return _("%(amount)s a second") % {"amount": amount(per_second)}
    if per_second * 60 >= 1:
        return _("%(amount)s a minute") % {"amount": amount(per_second * 60)}
    return _("%(amount)s a day") % {"amount": amount(per_second * 86_400)}


def seconds(figure: float) -> str:
    if figure < 10:
        return f"{figure:.1f} s"
    whole = round(figure)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
