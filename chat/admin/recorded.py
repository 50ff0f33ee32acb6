"""What staff do, in the audit log: whatever the admin notes in its history, and their signing in.

In one place for all that is registered, ours and others': the history's own rows are listened to. Deleting many at
once notes them without telling anybody, so that action is ours.
"""

import json
from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from chat.audit.facts import ADD, CHANGE, DELETE, SIGN_IN, Fact
from chat.models import User
from chat.wiring.audit import pseudonym_of, record

MOST_NOTE = 300
_delete: Any = delete_selected


@receiver(post_save, sender=LogEntry, dispatch_uid="audit_log_entry")
def history_is_recorded(instance: LogEntry, created: bool, raw: bool = False, **_: Any) -> None:
    """With the change itself, where it is one transaction with it."""
    if not created or raw:
        return
    action = {ADDITION: ADD, DELETION: DELETE}.get(instance.action_flag, CHANGE)
    kind = instance.content_type.model if instance.content_type is not None else ""
    key, subject = _person(kind, str(instance.object_id or ""))
    record(
        Fact(
            action=action,
            kind=kind,
            key=key,
            actor=pseudonym_of(instance.user),
            subject=subject,
            details=_without_names(instance.change_message),
        )
    )


@receiver(user_logged_in, dispatch_uid="audit_sign_in")
def sign_in_is_recorded(user: Any, **_: Any) -> None:
    """Of staff, through whichever door: what lets into the admin is the same session."""
    if user.is_staff:
        own = pseudonym_of(user)
        record(Fact(action=SIGN_IN, kind="user", key=str(own), actor=own, subject=own))


@admin.action(description=_delete.short_description, permissions=["delete"])
def delete_recorded(
    model_admin: "admin.ModelAdmin[Any]", request: HttpRequest, chosen: "QuerySet[Any]"
) -> HttpResponse | None:
    """Django's, and an entry for each that is gone after it."""
    rows = list(chosen) if request.POST.get("post") else []
    if len(rows) < 2:  # of one, the history tells
        return cast("HttpResponse | None", _delete(model_admin, request, chosen))
    places = {row.pk: _place(row) for row in rows}
    with transaction.atomic():
        answer: HttpResponse | None = _delete(model_admin, request, chosen)
        left = set(model_admin.model._default_manager.filter(pk__in=places).values_list("pk", flat=True))
        gone = [place for key, place in places.items() if key not in left]
        record(*_deleted(gone, pseudonym_of(request.user)))
    return answer


def _deleted(places: Iterable[tuple[str, str, UUID | None]], actor: UUID | None) -> list[Fact]:
    return [
        Fact(action=DELETE, kind=kind, key=key, actor=actor, subject=subject) for kind, key, subject in places
    ]


def _place(row: Model) -> tuple[str, str, UUID | None]:
    kind = str(row._meta.model_name)
    return kind, *_person(kind, str(row.pk))


def _person(kind: str, key: str) -> tuple[str, UUID | None]:
    """A person is known by the pseudonym, which is theirs alone."""
    if kind != "user":
        return key, None
    found = User.objects.filter(pk=key).values_list("pseudonym", flat=True).first()
    return ("" if found is None else str(found)), found


def _without_names(message: str) -> dict[str, Any]:
    """Of what the admin has noted: which fields, and of what kind; not what the rows are called."""
    try:
        noted = json.loads(message) if message.startswith("[") else None
    except ValueError:
        noted = None
    if not isinstance(noted, list):
        return {"note": message[:MOST_NOTE]} if message else {}
    changes = [
        {verb: {name: what[name] for name in ("name", "fields") if name in what}}
        for one in noted
        if isinstance(one, dict)
        for verb, what in one.items()
        if isinstance(what, dict)
    ]
    return {"changes": changes} if changes else {}


admin.site.disable_action("delete_selected")
admin.site.add_action(delete_recorded, "delete_selected")
