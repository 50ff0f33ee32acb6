"""Searching in what people wrote: for those who may open it, with a reason. The search is in the audit log before it is
made, and each conversation of which it shows words before they are shown."""

import time
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from msgspec import Struct

from chat.admin.gate import LEAST_REASON, PERMISSION, read_reason
from chat.audit.chain import MOST_REASON
from chat.audit.facts import FOUND, SEARCH, Fact
from chat.llm.dialects.text import clean
from chat.models import Conversation, User
from chat.search import Hit, Search
from chat.wiring.audit import pseudonym_of, record

MOST_QUERY: Final = 200
MOST_HITS: Final = 50
SEARCH_SECONDS: Final = 10.0


class Found(Struct, frozen=True):
    hit: Hit
    owner: str


class Results(Struct, frozen=True):
    found: list[Found]
    left_out: str


def search_view(
    model_admin: "admin.ModelAdmin[Any]", clock: Callable[[], float] = time.monotonic
) -> Callable[[HttpRequest], HttpResponse]:
    # Posted: a query in an address would stand in every log.
    @sensitive_post_parameters("query", "reason")
    def view(request: HttpRequest) -> HttpResponse:
        if not model_admin.has_view_permission(request):
            raise PermissionDenied
        context = {
            **model_admin.admin_site.each_context(request),
            "opts": model_admin.opts,
            "title": _("Search in contents"),
            "may_search": request.user.has_perm(PERMISSION),
            "most_query": MOST_QUERY,
            "least_reason": LEAST_REASON,
            "most_reason": MOST_REASON,
        }
        if request.method == "POST":
            if not request.user.has_perm(PERMISSION):
                raise PermissionDenied
            context |= _asked(request, clock)
        return TemplateResponse(request, "admin/chat/conversation/search.html", context)

    return view


def _asked(request: HttpRequest, clock: Callable[[], float]) -> dict[str, Any]:
    query = " ".join(clean(request.POST.get("query", "")).split())[:MOST_QUERY]
    reason = read_reason(request.POST.get("reason", ""))
    name = request.POST.get("owner", "").strip().replace("\0", "")
    owner = User.objects.filter(username=name).first() if name else None
    asked = {"query": query, "reason": reason, "owner": name}
    if not query or not reason:
        return {**asked, "trouble": _("Say what to search for, and why: both are recorded.")}
    if name and owner is None:
        return {**asked, "trouble": _("There is nobody of that name.")}
    return {**asked, "results": _searched(request, query, reason, owner, clock)}


def _searched(
    request: HttpRequest, query: str, reason: str, owner: User | None, clock: Callable[[], float]
) -> Results:
    actor = pseudonym_of(request.user)
    whose = pseudonym_of(owner)
    (entry,) = record(
        Fact(
            action=SEARCH,
            kind="conversation",
            actor=actor,
            subject=whose,
            reason=reason,
            details={"query": query},
        ),
        durable=True,
    )
    conversations = Conversation.objects.all() if owner is None else Conversation.objects.visible_to(owner)
    search = Search(conversations, query, seconds=SEARCH_SECONDS, clock=clock, each=lambda: None)
    hits = search.newest(MOST_HITS)
    owners = _owners([hit.conversation for hit in hits])
    facts = [
        Fact(
            action=FOUND,
            kind="conversation",
            key=str(hit.conversation),
            actor=actor,
            subject=owners[hit.conversation][1],
            reason=reason,
            details={"search": entry.sequence},
        )
        for hit in hits
        if hit.conversation in owners
    ]
    if facts:
        record(*facts, durable=True)
    found = [Found(hit, owners[hit.conversation][0]) for hit in hits if hit.conversation in owners]
    return Results(found, search.left_out)


def _owners(keys: list[UUID]) -> dict[UUID, tuple[str, UUID]]:
    rows = Conversation.objects.filter(pk__in=keys).values_list("pk", "owner__username", "owner__pseudonym")
    return {key: (name, pseudonym) for key, name, pseudonym in rows}
