"""What the page of one run says, without a word of what was written: figures, facts, what is recorded, the ledger.

Six queries, however long the run was: its row, its calls, its tools, what was set aside for them, which attempts are
in the wire log, how often moderation has found something.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _
from msgspec import Struct

from chat.admin.run_charges import Aside, Entry, charged, disagrees, entries, set_aside
from chat.admin.run_words import DOTS, amount, clock_time, day_time, money
from chat.admin.timeline import Timeline, seconds_words, timeline, waited_seconds
from chat.models import ModelCall, ModerationHit, Reservation, Run, ToolInvocation, WireRecord

MOST_ROWS: Final = 500
"""Of calls, and of tools: beyond them the page says that there are more."""
CONTENT: Final = ("arguments", "edited_arguments", "result", "shown", "note", "reason", "opaque")


class Figure(Struct, frozen=True):
    label: str
    value: str
    detail: str


class Fact(Struct, frozen=True):
    label: str
    text: str
    url: str = ""
    mono: bool = False


class Moment(Struct, frozen=True):
    at: datetime
    text: str

    @property
    def time(self) -> str:
        return clock_time(self.at)


class RunPage(Struct, frozen=True):
    title: str
    status: str
    dot: str
    figures: tuple[Figure, ...]
    timeline: Timeline
    facts: tuple[Fact, ...]
    recorded: tuple[Moment, ...]
    entries: tuple[Entry, ...]
    charged: Entry
    disagrees: str
    asides: tuple[Aside, ...]
    more: bool
    wire: int


def rows_of(run: Run) -> tuple[list[ModelCall], list[ToolInvocation]]:
    calls = ModelCall.objects.filter(run=run).order_by("started_at", "pk")[:MOST_ROWS]
    invocations = ToolInvocation.objects.filter(run=run).defer(*CONTENT).select_related("decided_by", "node")
    return list(calls), list(invocations.order_by("step", "position")[:MOST_ROWS])


def run_page(run: Run, now: datetime) -> RunPage:
    calls, invocations = rows_of(run)
    kept = set(WireRecord.objects.filter(run=run).values_list("pk", flat=True)[:MOST_ROWS])
    reserved = Reservation.objects.filter(run=run.pk).order_by("created_at", "pk")[:MOST_ROWS]
    drawn = timeline(run, calls, invocations, now)
    return RunPage(
        title=_("Run of %(time)s") % {"time": day_time(run.created_at)},
        status=str(run.status),
        dot=DOTS.get(run.status, ""),
        figures=tuple(_figures(run, calls, drawn, now)),
        timeline=drawn,
        facts=tuple(_facts(run, calls, kept)),
        recorded=tuple(sorted(_recorded(run, calls, invocations), key=lambda moment: moment.at)),
        entries=tuple(entry for call in calls for entry in entries(call)),
        charged=charged(calls),
        disagrees=disagrees(run, calls),
        asides=tuple(set_aside(reserved)),
        more=MOST_ROWS in (len(calls), len(invocations)),
        wire=len(kept),
    )


# --- figures ------------------------------------------------------------------------------------------


def _figures(run: Run, calls: Sequence[ModelCall], drawn: Timeline, now: datetime) -> Iterator[Figure]:
    yield Figure(_("First token"), *_first_token(run, calls))
    whole = ((run.finished_at or now) - run.created_at).total_seconds()
    waited = waited_seconds(drawn.lines)
    detail = (
        _("%(time)s of it waiting for somebody") % {"time": seconds_words(waited)}
        if waited
        else _("no waiting for anybody")
    )
    if run.finished_at is None:
        detail = _("so far; %(detail)s") % {"detail": detail}
    yield Figure(_("Duration"), seconds_words(max(0.0, whole)), detail)
    usage = run.usage if run.finished_at is not None else _usage_so_far(calls)
    into, out, cached = (usage.get(name) for name in ("input_tokens", "output_tokens", "cached_tokens"))
    known = into is not None or out is not None
    words = _("%(out)s of them out, %(cached)s cached") % {
        "out": amount(out or 0),
        "cached": amount(cached or 0),
    }
    yield Figure(
        _("Tokens"),
        amount((into or 0) + (out or 0)) if known else "–",
        words if known else _("nobody has said"),
    )
    if run.finished_at is None:
        yield Figure(_("Cost"), charged(calls).amount, _("so far"))
        return
    cost = money(run.cost, run.currency) if run.cost is not None else "–"
    yield Figure(_("Cost"), cost, _source_words(str(usage.get("source", "unknown")), run.cost))


def _usage_so_far(calls: Sequence[ModelCall]) -> dict[str, int]:
    """A run's own row says what it has used once it has ended; until then its calls do."""
    found: dict[str, int] = {}
    for name in ("input_tokens", "output_tokens", "cached_tokens"):
        if said := [tokens for call in calls if (tokens := getattr(call, name)) is not None]:
            found[name] = sum(said)
    return found


def _first_token(run: Run, calls: Sequence[ModelCall]) -> tuple[str, str]:
    """Until something of the answer showed: in the lines and in our own code, in attempts before, at the model."""
    shown = next((call for call in calls if call.ttft_ms is not None), None)
    if shown is None or shown.ttft_ms is None:
        return "–", _("nothing was shown")
    arrived = shown.started_at + timedelta(milliseconds=shown.ttft_ms)
    whole = max(shown.ttft_ms, round((arrived - run.created_at).total_seconds() * 1000))
    first = calls[0]
    retry = (
        max(0, round((shown.started_at - first.started_at).total_seconds() * 1000))
        if first is not shown
        else 0
    )
    retry = min(retry, whole - shown.ttft_ms)
    ours = whole - shown.ttft_ms - retry
    words = (
        _("%(ours)s ours · %(retry)s retry · %(model)s model")
        if retry
        else _("%(ours)s ours · %(model)s model")
    )
    parts = {"ours": ours / 1000, "retry": retry / 1000, "model": shown.ttft_ms / 1000}
    return f"{whole / 1000:.2f} s", words % {name: f"{seconds:.2f}" for name, seconds in parts.items()}


def _source_words(source: str, cost: Decimal | None) -> str:
    if cost is None:
        return _("no price is known")
    words = {
        "reported": _("tokens reported by the provider"),
        "estimated": _("estimated: the provider did not say all"),
    }
    return words.get(source, _("of a part: nobody has said the rest"))


# --- facts --------------------------------------------------------------------------------------------


def _facts(run: Run, calls: Sequence[ModelCall], kept: set[UUID]) -> Iterator[Fact]:
    yield Fact(_("User"), run.user.get_username(), reverse("admin:chat_user_change", args=[run.user_id]))
    page = reverse("admin:chat_conversation_change", args=[run.conversation_id])
    yield Fact(_("Conversation"), str(run.conversation_id), page, mono=True)
    model = reverse("admin:chat_languagemodel_change", args=[run.model_id]) if run.model_id else ""
    yield Fact(_("Model"), run.model_name, model)
    if run.token is not None:
        token = reverse("admin:chat_apitoken_change", args=[run.token_id])
        yield Fact(_("Started by"), str(run.token), token)
    if run.lane:
        yield Fact(_("Lane"), str(run.lane + 1))
    yield Fact(_("Run"), str(run.pk), mono=True)
    yield Fact(_("Idempotency key"), str(run.start_key), mono=True)
    node = reverse("admin:chat_node_change", args=[run.node_id]) if run.node_id else ""
    yield Fact(_("Node"), str(run.node) if run.node is not None else _("none"), node)
    epochs = len({call.epoch for call in calls})
    taken = _("taken up %(count)d times") % {"count": run.epoch} if run.epoch > 1 else _("never taken over")
    yield Fact(_("Epoch"), f"{run.epoch}, {taken}" if epochs or run.epoch else "0")
    yield Fact(_("Last cursor"), f"{run.epoch}-{run.last_seq}", mono=True)
    if run.tokens_per_second is not None:
        yield Fact(_("Pace"), _("%(pace)s tokens a second") % {"pace": f"{run.tokens_per_second:.1f}"})
    if requests := [
        call.request_id or call.upstream_id for call in calls if call.request_id or call.upstream_id
    ]:
        yield Fact(_("Request ids"), ", ".join(dict.fromkeys(requests)), mono=True)
    if run.error:
        yield Fact(_("Error"), f"{run.error.get('code', '')}: {run.error.get('message', '')}")
    wire = f"{reverse('admin:chat_wirerecord_changelist')}?run__id__exact={run.pk}"
    yield Fact(_("In the wire log"), str(len(kept)) if kept else _("none"), wire if kept else "")
    if flagged := ModerationHit.objects.filter(run=run).count():
        hits = f"{reverse('admin:chat_moderationhit_changelist')}?run__id__exact={run.pk}"
        yield Fact(_("Found by moderation"), str(flagged), hits)
    if calls:
        ledger = f"{reverse('admin:chat_modelcall_changelist')}?q={run.pk}"
        yield Fact(_("Rows of the ledger"), str(len(calls)), ledger)


# --- recorded -----------------------------------------------------------------------------------------


def _recorded(run: Run, calls: Sequence[ModelCall], tools: Sequence[ToolInvocation]) -> Iterator[Moment]:
    """Of what has a time in a row; the events themselves are kept for a while only."""
    yield Moment(run.created_at, "run.started")
    if run.claimed_at is not None and run.epoch > 1:
        node = str(run.node) if run.node is not None else _("a process that is gone")
        yield Moment(
            run.claimed_at, _("taken up by %(node)s, epoch %(epoch)d") % {"node": node, "epoch": run.epoch}
        )
    yield from _attempts_recorded(calls, run.finished_at)
    for tool in tools:
        yield from _tool_recorded(tool)
    if run.stop_requested_at is not None:
        yield Moment(run.stop_requested_at, _("stop asked for"))
        if closed := (run.stop_receipt or {}).get("upstream_closed_at"):
            yield Moment(datetime.fromisoformat(closed), _("line upstream closed"))
    if run.finished_at is not None:
        code = f", {run.error.get('code', '')}" if run.error else ""
        yield Moment(run.finished_at, f"run.finished, {run.status}{code}")


def _attempts_recorded(calls: Sequence[ModelCall], over: datetime | None) -> Iterator[Moment]:
    for at, call in enumerate(calls):
        following = calls[at + 1] if at + 1 < len(calls) else None
        if call.duration_ms is None:
            continue
        end = call.started_at + timedelta(milliseconds=call.duration_ms)
        # Its clock and the run's may differ by a little; the end of the run is the last thing that happens.
        end = min(end, over) if over is not None else end
        again = following is not None and (following.step, following.epoch) == (call.step, call.epoch)
        if again and following is not None:
            wait = max(0, round((following.started_at - end).total_seconds() * 1000))
            yield Moment(
                end,
                _("run.retrying, attempt %(attempt)d in %(wait)s ms: %(code)s")
                % {"attempt": following.attempt, "wait": amount(wait), "code": call.outcome},
            )
        else:
            yield Moment(end, f"step.finished, {call.step}: {call.finish_reason or call.outcome}")


def _tool_recorded(tool: ToolInvocation) -> Iterator[Moment]:
    waited = tool.decided_at is not None or tool.waits_for
    if waited:
        what = tool.waits_for or "approval"
        yield Moment(tool.created_at, f"tool.waiting for {what}: {tool.name}")
    if tool.decided_at is not None:
        who = str(tool.decided_by) if tool.decided_by is not None else _("somebody who is gone")
        words = {"approve": _("%(tool)s approved by %(who)s"), "reject": _("%(tool)s rejected by %(who)s")}
        yield Moment(
            tool.decided_at, words.get(tool.decision, "%(tool)s: %(who)s") % {"tool": tool.name, "who": who}
        )
    if tool.started_at is not None:
        yield Moment(tool.started_at, f"tool.running, attempt {tool.attempts}: {tool.name}")
    if tool.finished_at is not None:
        yield Moment(tool.finished_at, f"tool.finished, {tool.status}: {tool.name}")
