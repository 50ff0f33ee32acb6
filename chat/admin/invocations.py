"""Tool invocations: by their figures alone; what was said to a tool and by it is behind the gate of each one's page."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chat.admin.mixins import Gated
from chat.admin.wire import link, verbatim
from chat.models import ToolInvocation, WebhookTool
from chat.models.base import second_of
from tools.discovery import installed

CONTENT = ("arguments", "edited_arguments", "result", "shown", "note", "reason", "opaque")


class KnownTool(admin.SimpleListFilter):
    """Not every name that was ever asked for: models invent them, without end."""

    title = "tool"
    parameter_name = "name"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        names = {tool.name for tool in installed()} | set(WebhookTool.objects.values_list("name", flat=True))
        return [(name, name) for name in sorted(names)]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[ToolInvocation]) -> QuerySet[ToolInvocation]:
        return queryset.filter(name=self.value()) if self.value() else queryset


@admin.register(ToolInvocation)
class ToolInvocationAdmin(Gated):
    kind = "tool_invocation"
    list_display = (
        "created",
        "tool",
        "user",
        "stands",
        "duration",
        "attempts",
        "worker",
    )
    fields = (
        "id", "name", "kind", "queue", "user", "conversation_link", "run_link", "step", "position", "call_id",
        "status", "waits_for", "attempts", "epoch", "worker", "worker_birth", "duration", "created_at",
        "dispatched_at", "due_at", "started_at", "deadline_at", "finished_at", "decision", "decided_by", "decided_at",
        "files",
    )  # fmt: skip
    content = ("arguments_text", "edited_text", "said", "result_text", "shown_text", "late")
    list_filter = ("status", "kind", KnownTool, "queue")
    list_select_related = ("user", "node")
    search_fields = ("=id", "=name", "=run__id", "=conversation__id", "user__username")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    show_full_result_count = False
    actions = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[ToolInvocation]:
        rows: QuerySet[ToolInvocation] = super().get_queryset(request)
        return rows.defer(*CONTENT)

    @admin.display(description="created at", ordering="created_at")
    def created(self, invocation: ToolInvocation) -> str:
        return second_of(invocation.created_at)

    @admin.display(ordering="name")
    def tool(self, invocation: ToolInvocation) -> Any:
        """With its kind below it: there is no room beside the filters for a column of each."""
        return format_html("{}<br>{}", invocation.name, invocation.get_kind_display())

    @admin.display(description="status", ordering="status")
    def stands(self, invocation: ToolInvocation) -> str:
        waits = invocation.get_waits_for_display() if invocation.waits_for else ""
        said = str(invocation.get_status_display())
        return f"{said} for {waits.lower()}" if waits else said

    @admin.display
    def duration(self, invocation: ToolInvocation) -> str:
        began, ended = invocation.started_at, invocation.finished_at
        return f"{(ended - began).total_seconds():.2f} s" if began and ended else ""

    @admin.display(ordering="node")
    def worker(self, invocation: ToolInvocation) -> str:
        return str(invocation.node) if invocation.node is not None else ""

    @admin.display(description="conversation")
    def conversation_link(self, invocation: ToolInvocation) -> SafeString:
        return link("admin:chat_conversation_change", invocation.conversation_id)

    @admin.display(description="run")
    def run_link(self, invocation: ToolInvocation) -> SafeString:
        return link("admin:chat_run_change", invocation.run_id)

    @admin.display(description="arguments")
    def arguments_text(self, invocation: ToolInvocation) -> SafeString:
        return verbatim(invocation.arguments)

    @admin.display(description="arguments as edited")
    def edited_text(self, invocation: ToolInvocation) -> SafeString:
        return verbatim(invocation.edited_arguments)

    @admin.display(description="why it was decided so, and what it said of its progress")
    def said(self, invocation: ToolInvocation) -> SafeString:
        return verbatim("\n".join(text for text in (invocation.reason, invocation.note) if text))

    @admin.display(description="result")
    def result_text(self, invocation: ToolInvocation) -> SafeString:
        return verbatim(invocation.result)

    @admin.display(description="result as the model was given it")
    def shown_text(self, invocation: ToolInvocation) -> SafeString:
        return verbatim(invocation.shown)

    @admin.display(description="files, of all attempts")
    def files(self, invocation: ToolInvocation) -> Any:
        rows = (
            (
                link("admin:chat_attachment_change", one.pk),
                one.media_type,
                filesizeformat(one.size),
                one.epoch,
            )
            for one in invocation.attachments.order_by("pk")
        )
        return format_html_join("", "<p>{}: {}, {}, epoch {}</p>", rows) or "none"

    @admin.display(description="late results, not applied")
    def late(self, invocation: ToolInvocation) -> Any:
        late = invocation.late_results.order_by("created_at")
        rows = ((second_of(one.created_at), one.epoch, one.status, verbatim(one.result)) for one in late)
        return format_html_join("", "<p>{}, epoch {}: {}</p>{}", rows) or "none"
