"""Going through the gate before what people wrote."""

from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from chat.models import AuditEntry
from tests.factories import UserFactory

WHY = "ticket 4471"


def signed_in(*permissions: str, is_staff: bool = True) -> Client:
    user = UserFactory.create(is_staff=is_staff)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def auditor(*permissions: str) -> Client:
    """Staff who may open what people wrote, and look at these."""
    return signed_in("audit_conversation", *permissions)


def give_reason(client: Client, kind: str, key: object, reason: str = WHY, following: str = "/admin/") -> Any:
    form = {"kind": kind, "key": str(key), "reason": reason, "next": following}
    return client.post(reverse("admin:chat_auditentry_open"), form)


def looks() -> list[tuple[str, str, str]]:
    """Action, kind and reason of what was looked at, the oldest first."""
    entries = AuditEntry.objects.filter(action__in=("look", "download", "search", "found"))
    return list(entries.order_by("sequence").values_list("action", "kind", "reason"))
