"""Conversations and model calls by their figures. What was said in a conversation is behind the gate of its page."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from chat.admin.content_search import search_view
from chat.admin.conversation_contents import contents_of
from chat.admin.gate import Gate, gate_for
from chat.admin.mixins import Gated, ReadOnly
from chat.admin.navigation import AUDIT, Page, Place
from chat.audit.facts import LOOK
from chat.models import Conversation, Message, ModelCall, User, WireRecord
from chat.models.base import second_of


@admin.register(Conversation)
class ConversationAdmin(Gated):
    kind = "conversation"
    change_form_template = "admin/chat/conversation/page.html"
    office_pages = (
        Page(
            "admin:chat_conversation_search", Place(AUDIT, 15, "scroll", gettext_lazy("Search in contents"))
        ),
    )
    list_display = ("id", "owner", "message_count", "created_at", "updated_at", "archived")
    fields = ("id", "owner", "message_count", "created_at", "updated_at", "pinned", "archived")
    list_filter = ("archived",)
    list_select_related = ("owner",)
    search_fields = ("=id", "owner__username")
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        rows: QuerySet[Conversation] = super().get_queryset(request)
        # Counted for the rows of a page alone, not for all of which these are some.
        own = Message.objects.filter(conversation=OuterRef("pk")).order_by().values("conversation")
        counted = Coalesce(Subquery(own.values(count=Count("pk"))), 0)
        return rows.defer("title", "options").annotate(message_count=counted)

    def get_urls(self) -> list[URLPattern]:
        search = self.admin_site.admin_view(search_view(self))
        return [path("search/", search, name="chat_conversation_search"), *super().get_urls()]

    def subject_of(self, row: Conversation) -> User | None:
        return row.owner

    def gate(self, request: HttpRequest, row: Conversation, action: str = LOOK) -> Gate:
        """Each page of a long one is a look."""
        page = {"page": wanted[:20]} if (wanted := request.GET.get("page", "")) else {}
        return gate_for(request, kind=self.kind, key=row.pk, subject=row.owner, action=action, details=page)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = context["original"]
        if self.gate(request, row).open:
            context["contents"] = contents_of(row, request.GET.get("page", ""))
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="messages")
    def message_count(self, conversation: Any) -> int:
        count: int = conversation.message_count
        return count


@admin.register(ModelCall)
class ModelCallAdmin(ReadOnly):
    list_display = (
        "started", "user", "provider", "model", "step", "attempt", "purpose", "outcome", "http_status",
        "ttft_ms", "duration_ms", "read", "written", "usage_source", "paid",
    )  # fmt: skip
    list_filter = ("provider", "model", "outcome", "usage_source", "purpose")
    list_select_related = ("user",)
    search_fields = ("=id", "=run__id", "=conversation__id", "=request_id", "=upstream_id", "user__username")
    date_hierarchy = "started_at"
    ordering = ("-started_at",)
    show_full_result_count = False
    raw_id_fields = ("conversation", "run")
    readonly_fields = ("wire_record",)

    @admin.display(description="started at", ordering="started_at")
    def started(self, call: ModelCall) -> str:
        """With seconds: the attempts of a call begin in the same minute."""
        return second_of(call.started_at)

    @admin.display(description="input tokens", empty_value="-")
    def read(self, call: ModelCall) -> str | None:
        return _marked(call, call.input_tokens)

    @admin.display(description="output tokens", empty_value="-")
    def written(self, call: ModelCall) -> str | None:
        return _marked(call, call.output_tokens)

    @admin.display(description="cost", empty_value="-")
    def paid(self, call: ModelCall) -> str | None:
        """Nine places, as the ledger has it."""
        return _marked(call, call.cost if call.cost is None else f"{call.cost:f} {call.currency}")

    @admin.display
    def wire_record(self, call: ModelCall) -> str:
        if not WireRecord.objects.filter(pk=call.pk).exists():
            return "none"
        return format_html('<a href="{}">look</a>', reverse("admin:chat_wirerecord_change", args=[call.pk]))


def _marked(call: ModelCall, figure: int | str | None) -> str | None:
    """With ~ where it rests on tokens that were estimated."""
    if figure is None:
        return None
    return f"~{figure}" if call.usage_source == ModelCall.Source.ESTIMATED else str(figure)
