"""The page "Limits now" in words: what safeguards say of themselves, as sections of facts and tables.

The template and the JSON view show the same sections, so that the script has nothing to decide.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _

from chat.admin.limits_words import (
    NOTHING,
    Cell,
    Fact,
    Section,
    Table,
    amount,
    of,
    open_until,
    rate,
    seconds,
    state_cell,
)
from chat.conf import CallLimits
from chat.engine.offers import limits_of
from chat.llm.limits_now import ModelNow, Overview, ProviderNow
from chat.models import Provider
from chat.resilience.backends.base import BreakerView, BucketView

_DEADLINES: Final = (
    "connect_seconds",
    "first_token_seconds",
    "first_token_reasoning_seconds",
    "idle_seconds",
    "total_seconds",
)
"""Where such a column is empty, the setting of the same name holds."""
_LIMITS: Final = tuple(name for name in CallLimits.__struct_fields__ if name != "limited")


def provider_sections(
    provider: Provider,
    now: ProviderNow,
    models: Mapping[str, str],
    users: Mapping[str, str],
    forced_by: str = "",
) -> list[Section]:
    """`models` and `users` are names by key; `forced_by` says who forced the breaker, "" where nobody has."""
    limits = limits_of(provider)
    return [
        _breaker(now.breaker, limits, forced_by),
        _calls(now, limits),
        _buckets(provider, now, models),
        _lines(now, models),
        _users(now, users, limits),
        _retries(now),
    ]


def figures_section(provider: Provider) -> Section:
    """Needs nobody's answer: what is set, and what holds where nothing is."""
    rows = [
        _figure(provider, name, getattr(settings, name.upper()), setting=name.upper()) for name in _DEADLINES
    ]
    rows += [_figure(provider, name, getattr(CallLimits(), name)) for name in _LIMITS]
    headings = (_("figure"), _("in force"), _("from"))
    return Section(
        _("Figures in force"),
        _("A running server takes a change within a second, also for calls that wait in a line."),
        tables=(Table("figures", headings, tuple(rows), ""),),
    )


def _figure(provider: Provider, name: str, default: float, setting: str = "") -> tuple[Cell, ...]:
    said = getattr(provider, name)
    # A deadline of zero counts as none, as in chat.engine.offers.
    is_set = bool(said) if setting else said is not None
    origin = _("set here") if is_set else _("default")
    if not is_set and name == "first_token_reasoning_seconds" and provider.first_token_seconds:
        default, origin = provider.first_token_seconds, _("set here, as first token seconds")
    elif not is_set and setting and os.environ.get(setting, "").strip():
        origin = _("setting %(name)s") % {"name": setting}
    label = str(Provider._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
    return Cell(label), Cell(f"{said if is_set else default:g}"), Cell(origin)


def overview_sections(
    overview: Overview, providers: Sequence[Provider], links: Mapping[str, str]
) -> list[Section]:
    """`links` to the pages of the providers, by key."""
    rows = []
    for provider in providers:
        key, limits = str(provider.pk), limits_of(provider)
        row = overview.providers[key]
        adaptive = row.adaptive.limit if row.adaptive is not None else limits.calls_at_once
        rows.append(
            (
                Cell(provider.name, href=links[key]),
                state_cell(row.breaker.state) if limits.limited else Cell(_("has none")),
                Cell(of(row.calls, limits.calls_at_once) if limits.limited else NOTHING),
                Cell(of(adaptive, limits.calls_at_once) if limits.limited else NOTHING),
                Cell(str(row.waiting)),
            )
        )
    headings = (
        _("provider"), _("circuit breaker"), _("calls in flight"), _("adaptive limit"), _("waiting"),
    )  # fmt: skip
    hosts = tuple(
        (
            Cell(name),
            state_cell(view.state),
            Cell(str(view.failures)),
            Cell(open_until(view)),
            Cell(str(view.probes)),
        )
        for name, view in overview.hosts.items()
    )
    host_headings = (_("host"), _("state"), _("failures in a row"), _("open until"), _("probes out"))
    return [
        Section(
            _("Providers"),
            _("The adaptive limit and who waits are this process's."),
            tables=(Table("providers", headings, tuple(rows), _("There is no provider yet.")),),
        ),
        Section(
            _("Hosts of tools and webhooks"),
            _("Only those that have failed lately."),
            tables=(Table("hosts", host_headings, hosts, _("None has failed.")),),
        ),
    ]


def _breaker(breaker: BreakerView, limits: CallLimits, forced_by: str) -> Section:
    facts = (
        Fact("breaker.state", _("state"), state_cell(breaker.state)),
        Fact("breaker.forced", _("forced by"), Cell(forced_by or NOTHING)),
        Fact("breaker.failures", _("failures in a row"), Cell(of(breaker.failures, limits.breaker_failures))),
        Fact("breaker.until", _("open until"), Cell(open_until(breaker))),
        Fact("breaker.probes", _("probes out"), Cell(of(breaker.probes, limits.breaker_probes))),
        Fact(
            "breaker.successes",
            _("successes of probes"),
            Cell(
                of(breaker.successes, limits.breaker_successes) if breaker.state == "half_open" else NOTHING
            ),
        ),
    )
    return Section(_("Circuit breaker"), facts=facts)


def _calls(now: ProviderNow, limits: CallLimits) -> Section:
    adaptive = now.adaptive
    return Section(
        _("Calls at once"),
        _("The adaptive limit is this process's: each learns from its own calls."),
        facts=(
            Fact("calls", _("in flight"), Cell(of(now.calls, limits.calls_at_once))),
            Fact(
                "adaptive.limit",
                _("adaptive limit"),
                Cell(of(adaptive.limit, adaptive.most) if adaptive is not None else _("nothing called yet")),
            ),
            Fact(
                "adaptive.in_flight",
                _("in flight under it"),
                Cell(str(adaptive.in_flight) if adaptive is not None else NOTHING),
            ),
        ),
    )


def _buckets(provider: Provider, now: ProviderNow, models: Mapping[str, str]) -> Section:
    given = provider.calls_per_second is not None or provider.calls_burst is not None
    rows = [_bucket(_("all calls"), now.bucket, _("set here") if given else _("default"))]
    silent = 0
    for model in now.models:
        known = [(_("requests"), model.requests), (_("tokens"), model.tokens)]
        told = [
            _bucket(f"{models[model.model]}: {kind}", view, _("learned"))
            for kind, view in known
            if _is_known(view)
        ]
        silent += not told
        rows += told
    headings = (
        _("what"), _("limit"), _("left"), _("all back in"), _("held off for"), _("from"),
    )  # fmt: skip
    note = _("Models of which no limit is known: %(count)d.") % {"count": silent}
    return Section(_("Token buckets"), note, tables=(Table("buckets", headings, tuple(rows), ""),))


def _is_known(view: BucketView) -> bool:
    return view.capacity is not None or view.held_off_seconds > 0


def _bucket(name: str, view: BucketView, origin: str) -> tuple[Cell, ...]:
    full_in = view.full_in_seconds
    limit, left = NOTHING, NOTHING
    if view.capacity is not None and view.per_second is not None and view.tokens is not None:
        limit = _("%(capacity)s, %(rate)s") % {
            "capacity": amount(view.capacity),
            "rate": rate(view.per_second),
        }
        left = amount(max(0.0, view.tokens))
    return (
        Cell(name),
        Cell(limit),
        Cell(left),
        Cell(NOTHING if full_in is None else seconds(full_in)),
        Cell(seconds(view.held_off_seconds) if view.held_off_seconds else NOTHING),
        Cell(origin),
    )


def _lines(now: ProviderNow, models: Mapping[str, str]) -> Section:
    waiting: list[tuple[str, int]] = [
        (_("a place of the provider"), now.waiting),
        (_("a place of their own, with any provider"), now.users_waiting),
        (_("the adaptive limit"), now.adaptive.waiting if now.adaptive is not None else 0),
        *((_bucket_line(model, models), model.waiting) for model in now.models if model.waiting),
    ]
    rows = tuple((Cell(what), Cell(str(count))) for what, count in waiting)
    return Section(
        _("Lines"),
        _("This process's."),
        tables=(Table("lines", (_("waiting for"), _("calls")), rows, ""),),
    )


def _bucket_line(model: ModelNow, models: Mapping[str, str]) -> str:
    return _("a token of %(model)s") % {"model": models[model.model]}


def _users(now: ProviderNow, users: Mapping[str, str], limits: CallLimits) -> Section:
    rows = tuple(
        (
            Cell(users.get(user.user, user.user)),
            Cell(of(user.calls, limits.calls_per_user)),
            Cell(str(user.waiting)),
        )
        for user in now.users
    )
    headings = (_("user"), _("places held"), _("waiting for a place of their own"))
    return Section(
        _("Users with the most calls"),
        _(
            "With any provider, also calls that stand in a provider's line. Beyond these, this process counts "
            "who waits until a call of their own ends."
        ),
        tables=(Table("users", headings, rows, _("Nobody asks anything.")),),
    )


def _retries(now: ProviderNow) -> Section:
    budget = now.retries
    share = NOTHING
    if budget is not None and budget.calls:
        share = f"{100 * budget.retries / budget.calls:.0f} %"
    return Section(
        _("Retries of the last minute"),
        _("This process's."),
        facts=(
            Fact("retries.calls", _("calls"), Cell(str(budget.calls) if budget is not None else "0")),
            Fact(
                "retries.made",
                _("retries"),
                Cell(of(budget.retries, budget.allowed) if budget is not None else "0"),
            ),
            Fact("retries.share", _("share"), Cell(share)),
        ),
    )
