"""The audit log in the admin: read, and never changed, by nobody."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chat.admin.gate import open_view
from chat.admin.mixins import ReadOnly
from chat.admin.wire import indented, verbatim
from chat.audit.canonical import canonical
from chat.models import AuditEntry, User
from chat.models.base import second_of

MOST_PEOPLE = 500


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ("sequence", "when", "who", "action", "kind", "what", "whose", "reason")
    fields = ("sequence", "when", "who", "actor", "action", "kind", "what", "whose", "subject", "reason")
    content = ("details_text", "sha256")
    list_filter = ("action", "kind")
    search_fields = ("=key",)
    search_help_text = "A person's name, or the id of what was looked at."
    date_hierarchy = "at"
    ordering = ("-sequence",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.with_names()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self.fields, *self.content)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(open_view))
        return [path("open/", view, name="chat_auditentry_open"), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        """By the names of people as they are now; of those who have left, by pseudonym."""
        for word in search_term.replace("\0", " ").split():
            people = User.objects.filter(username__icontains=word).order_by("pk")
            names = list(people.values_list("pseudonym", flat=True)[:MOST_PEOPLE])
            queryset = queryset.filter(Q(key=word) | Q(actor__in=names) | Q(subject__in=names))
        return queryset, False

    @admin.display(description="time", ordering="at")
    def when(self, entry: AuditEntry) -> str:
        return second_of(entry.at)

    @admin.display(description="who")
    def who(self, entry: Any) -> str:
        return _name(entry.actor, entry.actor_name, _("the product"))

    @admin.display(description="whose")
    def whose(self, entry: Any) -> str:
        return _name(entry.subject, entry.subject_name, "")

    @admin.display(description="which")
    def what(self, entry: AuditEntry) -> str | SafeString:
        """A link where there is such a page; whether the row is still there is found out there."""
        if entry.kind == "user" or not entry.key:
            return entry.key
        try:
            view = f"admin:chat_{entry.kind.replace('_', '')}_change"
            return format_html('<a href="{}">{}</a>', reverse(view, args=[entry.key]), entry.key)
        except NoReverseMatch:
            return entry.key

    @admin.display(description="details")
    def details_text(self, entry: AuditEntry) -> SafeString:
        return verbatim(indented(canonical(entry.details)) if entry.details else "")


def _name(pseudonym: Any, name: str | None, nobody: str) -> str:
    if pseudonym is None:
        return nobody
    return name or _("somebody who has left")
