"""Runs: the list by figures, and a page of its own with what happened when. What was written is behind the gate."""

import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from chat.admin.gate import gate_for
from chat.admin.mixins import ReadOnly
from chat.admin.run_contents import contents_of
from chat.admin.run_events import redacted_lines
from chat.admin.run_page import rows_of, run_page
from chat.admin.run_words import money
from chat.exceptions import ChatError
from chat.models import Run
from chat.models.base import second_of


class ErrorCode(admin.SimpleListFilter):
    """The codes that there can be; which there are would take a look at every row."""

    title = "error"
    parameter_name = "error"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(code, code) for code in sorted(error_codes())]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        code = self.value()
        return queryset.filter(status=Run.Status.FAILED, error__code=code) if code else queryset


def error_codes() -> set[str]:
    found, todo = set(), [ChatError]
    while todo:
        kind = todo.pop()
        found.add(kind.code)
        todo += kind.__subclasses__()
    return found


@admin.register(Run)
class RunAdmin(ReadOnly):
    list_display = (
        "created", "user", "model_name", "state", "error_code", "ttft", "duration", "tokens", "price",
    )  # fmt: skip
    list_filter = ("status", ErrorCode, "model_name")
    list_select_related = ("user",)
    search_fields = ("=id", "=conversation__id", "user__username")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        rows: QuerySet[Run] = super().get_queryset(request)
        return rows.defer("options", "steps")

    def get_urls(self) -> list[URLPattern]:
        events = self.admin_site.admin_view(self.events_view)
        return [path("<uuid:key>/events/", events, name="chat_run_events"), *super().get_urls()]

    # --- one run ----------------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        run = get_object_or_404(self._whole(), pk=_key(unquote(object_id)))
        gate = gate_for(request, kind="run", key=run.pk, subject=run.user, within=run.conversation_id)
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "opts": self.opts,
            "original": run,
            "title": str(run),
            "page": run_page(run, timezone.now()),
            "gate": gate,
            "contents": contents_of(run) if gate.open else None,
            "wire_log": settings.WIRE_LOG,
            "wire_sample": settings.WIRE_LOG_SAMPLE,
        }
        return TemplateResponse(request, "admin/chat/run/page.html", context)

    def events_view(self, request: HttpRequest, key: UUID) -> StreamingHttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = get_object_or_404(Run.objects.select_related("message"), pk=key)
        calls, tools = rows_of(run)
        lines = (f"{json.dumps(fact, default=str)}\n" for fact in redacted_lines(run, calls, tools))
        return StreamingHttpResponse(
            lines,
            content_type="application/jsonl; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="run-{key}.jsonl"'},
        )

    def _whole(self) -> QuerySet[Run]:
        rows = Run.objects.select_related("user", "node", "model", "message__parent", "token")
        return rows.defer("options", "message__parts", "message__parent__parts", "model__capabilities")

    # --- the list ---------------------------------------------------------------------------------------

    @admin.display(description="created at", ordering="created_at")
    def created(self, run: Run) -> str:
        return second_of(run.created_at)

    @admin.display(description="status", ordering="status")
    def state(self, run: Run) -> str:
        return str(run.status)

    @admin.display(description="error")
    def error_code(self, run: Run) -> str:
        return str((run.error or {}).get("code", ""))

    @admin.display(description="first token", ordering="ttft_ms")
    def ttft(self, run: Run) -> str:
        return "" if run.ttft_ms is None else f"{run.ttft_ms / 1000:.2f} s"

    @admin.display(ordering="duration_ms")
    def duration(self, run: Run) -> str:
        return "" if run.duration_ms is None else f"{run.duration_ms / 1000:.1f} s"

    @admin.display(description="cost", ordering="cost")
    def price(self, run: Run) -> str:
        return "" if run.cost is None else _rough(run) + money(run.cost, run.currency)

    @admin.display
    def tokens(self, run: Run) -> str:
        usage = run.usage or {}
        shown = [usage.get("input_tokens"), usage.get("output_tokens")]
        return " in / ".join("?" if n is None else f"{_rough(run)}{n}" for n in shown) + " out"


def _rough(run: Run) -> str:
    """Before figures that were not all reported."""
    return "" if (run.usage or {}).get("source") == "reported" else "~"


def _key(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
