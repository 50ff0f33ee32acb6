"""The audit log in the admin: read, and never changed, by nobody."""

from django.contrib import admin
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from chat.admin.gate import open_view
from chat.admin.mixins import ReadOnly
from chat.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ("sequence", "at", "action", "kind", "key", "reason")
    ordering = ("-sequence",)
    show_full_result_count = False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(open_view))
        return [path("open/", view, name="chat_auditentry_open"), *super().get_urls()]
