"""The wire log: what was asked and answered, byte for byte, behind the gate."""

import json
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import slugify

from chat.admin.mixins import Gated
from chat.audit.facts import DOWNLOAD
from chat.llm.dialects.registry import DIALECTS
from chat.llm.replay import replay_answer, replay_error
from chat.models import ModelCall, WireRecord

MOST_SHOWN = 100_000
"""Characters of one text on the page; the download has all."""
# A control character is shown by its picture.
_PICTURES = {number: 0x2400 + number for number in range(32) if chr(number) not in "\t\n\r"}


@admin.register(WireRecord)
class WireRecordAdmin(Gated):
    kind = "wire_record"
    list_display = (
        "created_at", "user", "provider", "model", "outcome", "http_status", "kept_because", "space",
    )  # fmt: skip
    fields = (
        "id", "created_at", "user", "conversation_link", "run_link", "call_link", "provider", "model", "dialect",
        "outcome", "kept_because", "space", "url", "http_status",
    )  # fmt: skip
    content = (
        "detail",
        "request_head",
        "request_text",
        "response_head",
        "response_text",
        "replay",
        "download",
    )
    list_filter = ("kept_because", "outcome", "provider", "model", "http_status")
    list_select_related = ("user",)
    search_fields = ("=id", "=run__id", "=conversation__id", "user__username")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    show_full_result_count = False
    actions = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[WireRecord]:
        rows: QuerySet[WireRecord] = super().get_queryset(request)
        return rows.defer("request", "response")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def get_urls(self) -> list[URLPattern]:
        download = self.admin_site.admin_view(self.download_view)
        return [
            path("<uuid:key>/download/", download, name="chat_wirerecord_download"),
            *super().get_urls(),
        ]

    def download_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        record = get_object_or_404(self.get_queryset(request), pk=key)
        if not self.gate(request, record, DOWNLOAD).open:
            return HttpResponseRedirect(reverse("admin:chat_wirerecord_change", args=[key]))
        return HttpResponse(
            record.response_body(),
            content_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="{file_name(record)}"'},
        )

    @admin.display(ordering="size")
    def space(self, record: WireRecord) -> str:
        return str(filesizeformat(record.size))

    @admin.display(description="conversation")
    def conversation_link(self, record: WireRecord) -> SafeString:
        return link("admin:chat_conversation_change", record.conversation_id)

    @admin.display(description="run")
    def run_link(self, record: WireRecord) -> SafeString:
        return link("admin:chat_run_change", record.run_id)

    @admin.display(description="model call")
    def call_link(self, record: WireRecord) -> str:
        if not ModelCall.objects.filter(pk=record.pk).exists():
            return "not in the ledger"
        return link("admin:chat_modelcall_change", record.pk)

    @admin.display(description="request headers")
    def request_head(self, record: WireRecord) -> SafeString:
        return verbatim(head(record.request_headers))

    @admin.display(description="request body")
    def request_text(self, record: WireRecord) -> SafeString:
        body = record.request_body()
        note = f"{record.request_bytes} bytes were sent, {len(body)} are kept."
        return verbatim(indented(body), note if len(body) != record.request_bytes else "")

    @admin.display(description="response headers")
    def response_head(self, record: WireRecord) -> SafeString:
        return verbatim(head(record.response_headers))

    @admin.display(description="response body")
    def response_text(self, record: WireRecord) -> SafeString:
        note = f"Truncated: {record.response_bytes} bytes came." if record.truncated else ""
        return verbatim(record.response_body().decode("utf-8", "replace"), note)

    @admin.display(description="what the dialect makes of it now")
    def replay(self, record: WireRecord) -> SafeString:
        return render_to_string("admin/chat/wirerecord/replay.html", {"facts": replayed(record)})

    @admin.display
    def download(self, record: WireRecord) -> SafeString:
        status = f" --status {record.http_status}" if is_error(record) else ""
        return format_html(
            '<a href="{}">{}</a><pre class="wire">manage.py replay_stream --dialect {}{} {}</pre>',
            reverse("admin:chat_wirerecord_download", args=[record.pk]),
            file_name(record),
            record.dialect,
            status,
            file_name(record),
        )


def replayed(record: WireRecord) -> list[tuple[str, SafeString]]:
    """What `replay_stream` would print, one fact a line."""
    dialect = DIALECTS.get(record.dialect)
    if dialect is None or record.http_status is None:
        return []
    body, status = record.response_body(), record.http_status
    try:
        facts = replay_answer(dialect, [body]) if status < 400 else replay_error(dialect, status, body)
    except Exception as error:  # noqa: BLE001  (that it breaks on these bytes is what the record is for)
        return [("breaks with", verbatim(f"{type(error).__name__}: {error}"))]
    shown = ((name, fact if isinstance(fact, str) else _json(fact)) for name, fact in facts.items())
    return [(name.replace("_", " "), verbatim(text)) for name, text in shown]


def is_error(record: WireRecord) -> bool:
    return record.http_status is not None and record.http_status >= 400


def file_name(record: WireRecord) -> str:
    kind = str(record.response_headers.get("content-type", ""))
    words = [record.provider, record.model, record.outcome, str(record.pk)]
    name = "-".join(slugify(word.replace("/", "-")) for word in words)
    return f"{name}.sse" if "event-stream" in kind and not is_error(record) else f"{name}.json"


def link(view: str, key: UUID) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(view, args=[key]), key)


def verbatim(text: str, note: str = "") -> SafeString:
    """As it is, up to a bound, with every control character to be seen."""
    if len(text) > MOST_SHOWN:
        note = f"{note} {len(text) - MOST_SHOWN} more characters are not shown.".strip()
    shown = format_html('<pre class="wire">{}</pre>', text[:MOST_SHOWN].translate(_PICTURES))
    return format_html('<p class="help">{}</p>{}', note, shown) if note else shown


def head(headers: dict[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers.items())


def indented(body: bytes) -> str:
    try:
        return _json(json.loads(body))
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
