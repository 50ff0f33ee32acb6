"""What was said in a conversation, on all branches: read for showing only behind an open gate."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Count
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from msgspec import Struct

from chat.admin.wire import verbatim
from chat.models import Conversation, Message, Run, ToolInvocation
from chat.models.base import second_of

AT_ONCE: Final = 50
"""Messages of one page, and one look."""


class Part(Struct, frozen=True):
    title: str
    text: SafeString
    url: str = ""
    folded: bool = False


class Turn(Struct, frozen=True):
    number: int
    said: str
    """Who, and when."""
    place: str
    """Where on the tree, where that is not plain."""
    parts: list[Part]
    runs: list[tuple[str, str]]
    """Address and words of each."""


class Contents(Struct, frozen=True):
    title: str
    options: SafeString | None
    turns: list[Turn]
    page: "Page[Any]"


def contents_of(conversation: Conversation, wanted: str) -> Contents:
    """One page of it, the oldest message first. `wanted` is a number, or whatever somebody has made of it."""
    shape = list(conversation.messages.order_by("id").values_list("id", "parent_id"))
    page = Paginator(shape, AT_ONCE).get_page(wanted)
    numbers = {key: number for number, (key, _parent) in enumerate(shape, 1)}
    places = _places(shape, numbers)
    keys = [key for key, _parent in page]
    runs: dict[UUID, list[Run]] = {}
    for run in Run.objects.filter(message__in=keys).only(
        "id", "message", "status", "model_name", "created_at"
    ):
        runs.setdefault(run.message_id, []).append(run)
    messages = Message.objects.filter(pk__in=keys).order_by("id")
    calls = _calls([run.pk for some in runs.values() for run in some])
    return Contents(
        title=conversation.title or _("without a title"),
        options=_json(conversation.options) if conversation.options else None,
        turns=[_turn(row, numbers[row.pk], places[row.pk], runs.get(row.pk, []), calls) for row in messages],
        page=page,
    )


def _places(shape: Sequence[tuple[UUID, UUID | None]], numbers: Mapping[UUID, int]) -> dict[UUID, str]:
    """Of those that do not just follow the one before, or have alternatives."""
    siblings: dict[UUID | None, list[UUID]] = {}
    for key, parent in shape:
        siblings.setdefault(parent, []).append(key)
    places = {}
    for key, parent in shape:
        there = siblings[parent]
        words = []
        if parent is not None and numbers[parent] != numbers[key] - 1:
            words.append(_("follows message %(number)d") % {"number": numbers[parent]})
        if len(there) > 1:
            words.append(
                _("alternative %(number)d of %(count)d")
                % {"number": there.index(key) + 1, "count": len(there)}
            )
        places[key] = ", ".join(words)
    return places


def _calls(runs: list[UUID]) -> dict[UUID, list[ToolInvocation]]:
    """By run, in the order in which they were asked for."""
    found: dict[UUID, list[ToolInvocation]] = {}
    rows = ToolInvocation.objects.filter(run__in=runs).annotate(file_count=Count("attachments"))
    for row in rows.order_by("step", "position"):
        found.setdefault(row.run_id, []).append(row)
    return found


def _turn(
    message: Message, number: int, place: str, runs: list[Run], calls: Mapping[UUID, list[ToolInvocation]]
) -> Turn:
    by = _("user") if message.role == Message.Role.USER else message.model or _("assistant")
    parts = [_part(part) for part in message.parts if isinstance(part, dict)]
    for run in runs:
        for call in calls.get(run.pk, []):
            parts += _of_call(call)
    return Turn(
        number=number,
        said=f"{by}, {second_of(message.created_at)}",
        place=place,
        parts=parts,
        runs=[
            (reverse("admin:chat_run_change", args=[run.pk]), f"{run.model_name}, {run.status}")
            for run in runs
        ],
    )


def _part(part: dict[str, Any]) -> Part:
    kind = str(part.get("type", ""))
    text = part.get("text")
    titles = {"text": "", "reasoning": _("Reasoning"), "refusal": _("Refusal")}
    if kind in titles and isinstance(text, str):
        return Part(titles[kind], verbatim(text), folded=kind == "reasoning")
    return Part(kind.replace("_", " ").capitalize(), _json(part), folded=True)


def _of_call(call: Any) -> Iterator[Part]:
    url = reverse("admin:chat_toolinvocation_change", args=[call.pk])
    yield Part(_("%(tool)s: arguments") % {"tool": call.name}, verbatim(call.arguments), url, folded=True)
    if call.edited_arguments:
        yield Part(
            _("%(tool)s: arguments as edited") % {"tool": call.name},
            verbatim(call.edited_arguments),
            folded=True,
        )
    result = _("%(tool)s: result (%(status)s)") % {"tool": call.name, "status": call.get_status_display()}
    files = _(", %(count)d files") % {"count": call.file_count} if call.file_count else ""
    yield Part(f"{result}{files}", verbatim(call.result), folded=True)


def _json(value: Any) -> SafeString:
    return verbatim(json.dumps(value, indent=2, ensure_ascii=False))
