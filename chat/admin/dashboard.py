"""The dashboard: what a person who runs this looks at first. Each figure leads to the list that it counts.

Costs come from the ledger's sums by day, so its days are in UTC; runs are counted to the second. What somebody may not
see is not asked for.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from msgspec import Struct

from chat.admin.dashboard_costs import Costs, costs
from chat.admin.run_stats import Felt, RunStats, run_stats
from chat.admin.run_words import DOTS, amount, money
from chat.admin.safeguards import NotNow, ask
from chat.admin.timeline import seconds_words
from chat.conf import Bands
from chat.llm.limits_now import overview
from chat.models import Node, Provider, Run
from chat.models.base import second_of
from chat.telemetry.bands import Band
from chat.usage.quotas import near_the_end

PERIODS: Final = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
USUAL: Final = "24h"
MOST_ERRORS: Final = 8
MOST_NEAR: Final = 10
NEAR: Final = 0.8
"""The share of a quota from which on it is near its end."""
_STATUSES: Final = tuple(str(status) for status in Run.Status)
_UNDER_WAY: Final = ("queued", "running", "waiting")


class Choice(Struct, frozen=True):
    label: str
    url: str
    current: bool


class Count(Struct, frozen=True):
    label: str
    count: str
    share: str
    url: str
    dot: str = ""


class Rating(Struct, frozen=True):
    """A row of the table of how it felt; `parts` are the bar's: band, place, width, and the words."""

    label: str
    p50: str
    p95: str
    p50_band: str
    p95_band: str
    parts: tuple[tuple[str, str, str], ...]
    said: str
    count: str


class Near(Struct, frozen=True):
    """A quota that is nearly used up, for one person or for all who share it."""

    name: str
    who: str
    percent: int
    said: str
    until: str
    url: str


class Breaker(Struct, frozen=True):
    name: str
    state: str
    url: str


class Runs(Struct, frozen=True):
    count: str
    url: str
    failed: str
    failed_url: str
    under_way: str
    statuses: tuple[Count, ...]
    errors: tuple[Count, ...]
    ratings: tuple[Rating, ...]
    sampled: str


class Dashboard(Struct, frozen=True):
    """None: not for this person."""

    periods: tuple[Choice, ...]
    runs: Runs | None
    costs: Costs | None
    budgets: tuple[Near, ...] | None
    breakers: tuple[Breaker, ...] | None
    breakers_trouble: str
    nodes: dict[str, int] | None


def dashboard(request: HttpRequest, bands: Bands, now: datetime) -> Dashboard:
    period = request.GET.get("period", USUAL)
    period = period if period in PERIODS else USUAL
    since = now - PERIODS[period]
    may = request.user.has_perm
    breakers, trouble = _breakers() if may("chat.view_provider") else (None, "")
    return Dashboard(
        periods=tuple(_periods(period)),
        runs=_runs(run_stats(since, bands), since) if may("chat.view_run") else None,
        costs=costs(since.astimezone(UTC).date(), now.astimezone(UTC).date())
        if may("chat.view_usageday")
        else None,
        budgets=tuple(_near(now)) if may("chat.view_quota") else None,
        breakers=breakers,
        breakers_trouble=trouble,
        nodes=_nodes() if may("chat.view_node") else None,
    )


def _periods(chosen: str) -> Iterator[Choice]:
    for name, label in (("24h", _("24 hours")), ("7d", _("7 days")), ("30d", _("30 days"))):
        yield Choice(label, f"?period={name}", name == chosen)


# --- runs ---------------------------------------------------------------------------------------------


def _runs(stats: RunStats, since: datetime) -> Runs:
    failed = stats.by_status.get("failed", 0)
    return Runs(
        count=amount(stats.count),
        url=_runs_url(since),
        failed=_share(failed, stats.count),
        failed_url=_runs_url(since, status__exact="failed") if failed else "",
        under_way=amount(sum(stats.by_status.get(status, 0) for status in _UNDER_WAY)),
        statuses=tuple(
            Count(
                status,
                amount(count),
                _share(count, stats.count),
                _runs_url(since, status__exact=status),
                _dot(status),
            )
            for status in _STATUSES
            if (count := stats.by_status.get(status, 0))
        ),
        errors=tuple(
            Count(code, amount(count), _share(count, failed), _runs_url(since, error=code))
            for code, count in sorted(stats.by_error.items(), key=lambda item: (-item[1], item[0]))[
                :MOST_ERRORS
            ]
        ),
        ratings=tuple(_rating(felt) for felt in stats.felt),
        sampled=amount(stats.sampled),
    )


def _runs_url(since: datetime, **more: str) -> str:
    query = {"created_at__gte": since.isoformat(timespec="seconds"), **more}
    return f"{reverse('admin:chat_run_changelist')}?{urlencode(query)}"


def _dot(status: str) -> str:
    return DOTS.get(status, "")


def _share(count: int, of: int) -> str:
    return f"{100 * count / of:.1f} %" if of else "–"


def _rating(felt: Felt) -> Rating:
    labels = {
        "first_token": _("Time to first token"),
        "pace": _("Tokens a second"),
        "total": _("Total time"),
        "stop": _("Stop"),
    }
    rated = sum(felt.rated.values())
    parts, at = [], 0.0
    for band, count in felt.rated.items():
        width = 100 * count / rated if rated else 0.0
        parts.append((str(band), f"{at:.2f}%", f"{width:.2f}%"))
        at += width
    words = {"good": _("good"), "slow": _("slow"), "bad": _("bad")}
    said = ", ".join(f"{_share(count, rated)} {words[band]}" for band, count in felt.rated.items())
    return Rating(
        labels[felt.measure],
        _measure(felt, felt.p50),
        _measure(felt, felt.p95),
        _band(felt.p50_band),
        _band(felt.p95_band),
        tuple(parts) if rated else (),
        said if rated else _("none yet"),
        amount(rated),
    )


def _measure(felt: Felt, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if felt.measure == "pace" else seconds_words(value)


def _band(band: Band | None) -> str:
    return band or ""


# --- what stands around -------------------------------------------------------------------------------


def _near(now: datetime) -> Iterator[Near]:
    for one in near_the_end(NEAR, now=now, most=MOST_NEAR):
        figures = [
            money(figure, one.currency) if one.currency else amount(int(figure))
            for figure in (one.taken, one.limit)
        ]
        yield Near(
            name=one.name,
            who=one.who or _("all who share it"),
            percent=one.percent,
            said=_("%(taken)s of %(limit)s, %(kind)s")
            % {"taken": figures[0], "limit": figures[1], "kind": one.kind.label},
            until=second_of(one.resets_at),
            url=_quota_url(one.quota),
        )


def _quota_url(quota: UUID) -> str:
    """ "" as long as quotas have no page here."""
    try:
        return reverse("admin:chat_quota_change", args=[quota])
    except NoReverseMatch:
        return ""


def _breakers() -> tuple[tuple[Breaker, ...] | None, str]:
    """Those that are not closed; None and why, where this process cannot say."""
    providers = {str(key): name for key, name in Provider.objects.order_by("name").values_list("pk", "name")}
    try:
        found = ask(lambda safeguards: overview(safeguards, dict.fromkeys(providers, ())))
    except NotNow as trouble:
        return None, str(trouble)
    shown = [
        Breaker(providers[key], row.breaker.state, reverse("admin:chat_provider_limits", args=[key]))
        for key, row in found.providers.items()
        if row.breaker.state != "closed"
    ]
    page = reverse("admin:chat_provider_limits_overview")
    shown += [Breaker(host, view.state, page) for host, view in found.hosts.items() if view.state != "closed"]
    return tuple(shown), ""


def _nodes() -> dict[str, int]:
    kinds = list(Node.objects.alive(settings.LEASE_SECONDS).values_list("kind", flat=True)[:1000])
    return {str(kind): kinds.count(kind) for kind in Node.Kind.values}
