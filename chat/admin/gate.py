"""The gate before what people wrote: a permission, a reason, and an entry in the audit log before each look.

    gate = gate_for(request, kind="run", key=run.pk, subject=run.user, within=run.conversation_id)

The entry is committed when this returns an open gate; nothing may be read for showing before. Templates show the gate
by `{% include "admin/_gate.html" %}` with `gate` in their context.

A reason is asked for once: for an object, by a session, for AUDIT_REASON_SECONDS. One that was given for a conversation
holds for all that is `within` it. Each look is an entry of its own all the same.
"""

from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from msgspec import Struct

from chat.audit.chain import MOST_KEY, MOST_REASON
from chat.audit.facts import LOOK, Fact
from chat.llm.dialects.text import clean
from chat.models import User
from chat.wiring.audit import pseudonym_of, record

PERMISSION: Final = "chat.audit_conversation"
OPEN_VIEW: Final = "admin:chat_auditentry_open"
LEAST_REASON: Final = 3
MOST_REASONS: Final = 100
"""Of one session; the oldest goes."""
_SESSION: Final = "audit_reasons"


class Gate(Struct, frozen=True, kw_only=True):
    """`open`: the look is in the audit log, and what people wrote may be shown."""

    kind: str
    key: str
    may_open: bool
    """Has the permission; what is missing is a reason."""
    open: bool
    reason: str = ""
    subject: str = ""
    """The name of whose it is."""
    action_url: str = ""
    next_url: str = ""
    least: int = LEAST_REASON
    most: int = MOST_REASON


def gate_for(
    request: HttpRequest,
    *,
    kind: str,
    key: object,
    subject: User | None,
    within: UUID | None = None,
    action: str = LOOK,
    details: dict[str, Any] | None = None,
) -> Gate:
    """Asked several times in one request it is one look. `within` is the conversation that it is a part of."""
    asked: dict[tuple[str, str, str], Gate] = request.__dict__.setdefault("_audit_gates", {})
    place = (kind, str(key), action)
    if place not in asked:
        asked[place] = _gate(request, kind, str(key), subject, within, action, details or {})
    return asked[place]


def _gate(
    request: HttpRequest,
    kind: str,
    key: str,
    subject: User | None,
    within: UUID | None,
    action: str,
    details: dict[str, Any],
) -> Gate:
    may_open = request.user.has_perm(PERMISSION)
    reason = ""
    if may_open:
        reason = reason_for(request, kind, key) or (
            reason_for(request, "conversation", str(within)) if within is not None else ""
        )
    if reason:
        actor, whose = pseudonym_of(request.user), pseudonym_of(subject)
        fact = Fact(
            action=action, kind=kind, key=key, actor=actor, subject=whose, reason=reason, details=details
        )
        record(fact, durable=True)
    return Gate(
        kind=kind,
        key=key,
        may_open=may_open,
        open=bool(reason),
        reason=reason,
        subject=subject.get_username() if subject is not None else "",
        action_url=reverse(OPEN_VIEW),
        next_url=request.get_full_path(),
    )


def reason_for(request: HttpRequest, kind: str, key: str) -> str:
    """The one that this session has given for it, as long as it holds; "" where there is none."""
    reason, until = request.session.get(_SESSION, {}).get(_place(kind, key), ("", 0.0))
    return str(reason) if timezone.now().timestamp() < until else ""


def give_reason(request: HttpRequest, kind: str, key: str, reason: str) -> None:
    """Remembers a checked reason for this session."""
    given = dict(request.session.get(_SESSION, {}))
    given.pop(_place(kind, key), None)
    given[_place(kind, key)] = (reason, timezone.now().timestamp() + settings.AUDIT_REASON_SECONDS)
    request.session[_SESSION] = dict(list(given.items())[-MOST_REASONS:])


def read_reason(text: str) -> str:
    """As it is kept; "" where it is none."""
    reason = " ".join(clean(text).split())[:MOST_REASON]
    return reason if len(reason) >= LEAST_REASON else ""


def open_view(request: HttpRequest) -> HttpResponse:
    """Takes the form of `admin/_gate.html`: a reason, and where to go on. What is looked at there is noted there."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    reason = read_reason(request.POST.get("reason", ""))
    if reason:
        give_reason(request, request.POST.get("kind", ""), request.POST.get("key", ""), reason)
    else:
        messages.error(request, _("Say why: whoever wrote it can read your reason."))
    following = request.POST.get("next", "")
    here = url_has_allowed_host_and_scheme(following, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(following if here else reverse("admin:index"))


def _place(kind: str, key: str) -> str:
    return f"{kind[:40]}:{key[:MOST_KEY]}"
