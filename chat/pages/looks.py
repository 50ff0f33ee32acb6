"""Who has looked at my conversations: what the audit log says of a person, to that person."""

from typing import Final, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from msgspec import Struct

from chat.audit.facts import DOWNLOAD, FOUND, LOOK, LOOKS
from chat.models import AuditEntry, Conversation, User

AT_ONCE: Final = 50
DONE: Final = {
    LOOK: gettext_lazy("opened"),
    DOWNLOAD: gettext_lazy("downloaded"),
    FOUND: gettext_lazy("found by a search in contents"),
}
KINDS: Final = {
    "conversation": gettext_lazy("a conversation"),
    "run": gettext_lazy("the making of an answer"),
    "tool_invocation": gettext_lazy("a tool call"),
    "wire_record": gettext_lazy("what was exchanged with a provider"),
    "attachment": gettext_lazy("a file"),
    "webhook_delivery": gettext_lazy("what a webhook said"),
    "tool_delivery": gettext_lazy("what a tool's server answered"),
    "tool_callback": gettext_lazy("what a tool's server called back"),
}


class Looked(Struct, frozen=True):
    entry: AuditEntry
    what: str
    who: str
    """"" where the site does not tell."""
    link: str


@require_safe
@login_required
@never_cache
def looks(request: HttpRequest) -> HttpResponse:
    """The newest first; `before` goes on from an entry."""
    user = cast(User, request.user)
    rows = AuditEntry.objects.about(user.pseudonym).filter(action__in=LOOKS).with_names()
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 18:
        rows = rows.filter(sequence__lt=int(before))
    page = list(rows[: AT_ONCE + 1])
    shown = page[:AT_ONCE]
    context = {
        "looked": _told(user, shown),
        "names_shown": settings.AUDIT_SHOW_NAMES,
        "older": shown[-1].sequence if len(page) > AT_ONCE else None,
        "current": "looks",
    }
    return render(request, "chat/looks.html", context)


def _told(user: User, entries: list[AuditEntry]) -> list[Looked]:
    keys = {key for entry in entries if entry.kind == "conversation" and (key := _uuid(entry.key))}
    mine = {
        str(key)
        for key in Conversation.objects.visible_to(user).filter(pk__in=keys).values_list("pk", flat=True)
    }
    return [
        Looked(
            entry,
            _("%(what)s, %(done)s") % {"what": KINDS.get(entry.kind, entry.kind), "done": DONE[entry.action]},
            _who(user, entry),
            f"/c/{entry.key}/" if entry.key in mine else "",
        )
        for entry in entries
    ]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _who(user: User, entry: AuditEntry) -> str:
    if entry.actor == user.pseudonym:
        return _("you")
    if not settings.AUDIT_SHOW_NAMES:
        return ""
    name: str | None = entry.actor_name  # type: ignore[attr-defined]  # annotated
    return name or _("somebody who has left")
