"""Rows made into what the templates show: turns of the active path, the sidebar's groups, the model picker."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Prefetch
from django.utils import timezone
from django.utils.translation import gettext as _

from chat.models import Conversation, LanguageModel, Message, ModelCall, Price, Run, ToolInvocation, User
from chat.models.conversations import Tree
from chat.models.providers import plain
from chat.pages.step_notes import Note, changes, last_asked

SIDEBAR_MOST = 500
"""Older ones are reached by their address until there is a search."""

Turn = dict[str, Any]


def shown_turns(conversation: Conversation, shared: Collection[str] = ()) -> list[Turn]:
    """The active path, from the first message to its tip. `shared`: names that tell no model from another."""
    tree = Tree(conversation)
    path = tree.active_path()
    rows = Message.objects.filter(pk__in=path).prefetch_related(
        Prefetch("runs", Run.objects.order_by("created_at")),
        Prefetch("runs__model_calls", ModelCall.objects.order_by("started_at")),
        Prefetch("runs__invocations", ToolInvocation.objects.defer("arguments", "result", "shown", "opaque")),
    )
    messages = {row.pk: row for row in rows}
    return [{**_turn(messages[key], tree.siblings(key)), "shared_names": shared} for key in path]


def live_runs(turns: Sequence[Turn]) -> list[dict[str, str]]:
    return [{"run": turn["run"], "message": turn["id"]} for turn in turns if turn["live"]]


def _turn(message: Message, siblings: list[UUID]) -> Turn:
    run = message.runs.all()[0] if message.runs.all() else None
    live = run is not None and not run.ended
    notes = _notes(run)
    # The message names who wrote it only when it is written.
    model = last_asked(notes, message.model) if live else message.model
    way = changes(notes, model)
    return {
        "id": str(message.pk),
        "parent": str(message.parent_id) if message.parent_id else None,
        "role": message.role,
        "parts": message.parts,
        "model": model,
        "asked_model": way[0]["instead_of"] if way else model,
        "notes": notes,
        "invocations": {}
        if run is None
        else {str(row.pk): _invocation(row) for row in run.invocations.all()},
        "status": run.status if run else "completed",
        "live": live,
        "run": str(run.pk) if run else None,
        "siblings": _pager(message.pk, siblings),
        "error": run.error if run else None,
        "retry_wait_seconds": _retry_wait_seconds(run),
        "receipt": _receipt(run) if run is not None and run.ended else None,
        "stop_receipt": run.stop_receipt if run else None,
        "created_at": message.created_at,
    }


def _notes(run: Run | None) -> list[Note]:
    return [note for step in (run.steps if run else ()) for note in step.get("notes", ())]


def _invocation(row: ToolInvocation) -> dict[str, Any]:
    """How a call stands; what was said in it is in the message."""
    return {
        "status": row.status,
        "waits_for": row.waits_for if row.status == ToolInvocation.Status.WAITING else "",
        "fraction": row.fraction,
        "note": row.note,
        "seconds": _seconds_since(row),
        "duration_ms": row.took_ms,
    }


def _seconds_since(row: ToolInvocation) -> int | None:
    """How long it has been running by now, or with whoever runs it; None where it is not."""
    if row.status not in (ToolInvocation.Status.RUNNING, ToolInvocation.Status.WAITING):
        return None
    # What its caller runs has no other beginning.
    return max(0, int((timezone.now() - (row.started_at or row.created_at)).total_seconds()))


def _retry_wait_seconds(run: Run | None) -> float | None:
    """How long the provider still asks to be left alone."""
    seconds = (run.error or {}).get("retry_after_seconds") if run else None
    if run is None or not seconds or run.finished_at is None:
        return None
    left = float(seconds) - (timezone.now() - run.finished_at).total_seconds()
    return left if left > 0 else None


def _pager(key: UUID, siblings: list[UUID]) -> dict[str, Any] | None:
    if len(siblings) < 2:
        return None
    place = siblings.index(key)
    return {
        "index": place + 1,
        "count": len(siblings),
        "previous": str(siblings[place - 1]) if place else None,
        "next": str(siblings[place + 1]) if place + 1 < len(siblings) else None,
    }


def _receipt(run: Run) -> dict[str, Any]:
    usage = run.usage or {}
    return {
        "model": run.model_name,
        "input_tokens": usage.get("input_tokens"),
        "tokens": usage.get("output_tokens"),
        "cached_tokens": usage.get("cached_tokens"),
        "usage_source": usage.get("source", ModelCall.Source.UNKNOWN),
        "cost": None if run.cost is None else {"amount": f"{run.cost:f}", "currency": run.currency},
        "ttft_ms": run.ttft_ms,
        "duration_ms": run.duration_ms,
        "tokens_per_second": run.tokens_per_second,
        "request_id": next((call.request_id for call in reversed(run.model_calls.all())), ""),
    }


def sidebar_groups(user: User, *, current: UUID | None) -> list[dict[str, Any]]:
    """Pinned ones first, then by day, newest first."""
    rows = list(Conversation.objects.visible_to(user).listed()[:SIDEBAR_MOST])
    running = set(
        Run.objects.visible_to(user)
        .open()
        .filter(conversation__in=[row.pk for row in rows])
        .values_list("conversation_id", flat=True)
    )
    today = timezone.localdate()
    asking = set(
        ToolInvocation.objects.visible_to(user)
        .filter(
            conversation__in=running,
            status=ToolInvocation.Status.WAITING,
            waits_for=ToolInvocation.Waits.APPROVAL,
        )
        .values_list("conversation_id", flat=True)
    )
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        label = _("Pinned") if row.pinned else _day_label(row.updated_at, today)
        groups.setdefault(label, []).append(
            {
                "id": str(row.pk),
                "title": row.title or _("New chat"),
                "url": f"/c/{row.pk}/",
                "current": row.pk == current,
                "status": "waiting" if row.pk in asking else "running" if row.pk in running else "",
            }
        )
    labels = sorted(groups, key=lambda label: label != _("Pinned"))
    return [{"label": label, "items": groups[label]} for label in labels]


def _day_label(when: datetime, today: date) -> str:
    day = timezone.localdate(when)
    if day >= today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    if day > today - timedelta(days=7):
        return _("Previous 7 days")
    if day > today - timedelta(days=30):
        return _("Previous 30 days")
    return f"{day:%Y-%m}"


def offered_models(user: User) -> list[dict[str, Any]]:
    models = (
        LanguageModel.objects.available_to(user)
        .prefetch_related(Prefetch("prices", Price.objects.filter(valid_from__lte=timezone.now())))
        .order_by("provider__name", "name")
    )
    return [_offer(model) for model in models]


def _offer(model: LanguageModel) -> dict[str, Any]:
    price = max(model.prices.all(), key=lambda row: row.valid_from, default=None)
    return {
        "id": model.full_name,
        "name": model.name,
        "provider": model.provider.name,
        "context_window": model.context_window,
        "price_in": plain(price.input) if price else None,
        "price_out": plain(price.output) if price else None,
        "currency": price.currency if price else None,
    }
