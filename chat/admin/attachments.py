"""Attachments: by their figures alone. What one is called, and its bytes, are behind the gate of its page."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.admin.mixins import Gated
from chat.admin.wire import link
from chat.attachments.contents import Gone
from chat.attachments.download import download
from chat.audit.facts import DOWNLOAD
from chat.models import Attachment
from chat.models.base import second_of
from chat.wiring.attachments import contents


@admin.register(Attachment)
class AttachmentAdmin(Gated):
    kind = "attachment"
    list_display = ("created", "user", "media_type", "space", "made_by", "shown")
    fields = (
        "id", "media_type", "size", "sha256", "user", "created_at", "invocation_link", "epoch", "shown",
    )  # fmt: skip
    content = ("name", "bytes")
    list_filter = ("media_type",)
    list_select_related = ("user", "invocation")
    search_fields = ("=id", "=sha256", "=invocation__id", "user__username")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    show_full_result_count = False
    actions = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attachment]:
        rows: QuerySet[Attachment] = super().get_queryset(request)
        return rows.defer(
            "invocation__arguments", "invocation__edited_arguments", "invocation__result", "invocation__shown"
        )

    def conversation_of(self, row: Attachment) -> UUID | None:
        return None if row.invocation is None else row.invocation.conversation_id

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.download_view)
        return [path("<uuid:key>/download/", view, name="chat_attachment_download"), *super().get_urls()]

    def download_view(self, request: HttpRequest, key: UUID) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        attachment = get_object_or_404(self.get_queryset(request), pk=key)
        if not self.gate(request, attachment, DOWNLOAD).open:
            return HttpResponseRedirect(reverse("admin:chat_attachment_change", args=[key]))
        try:
            return download(attachment, contents())
        except Gone as error:
            self.message_user(request, f"The bytes are not there: {error}", messages.ERROR)
            return HttpResponseRedirect(reverse("admin:chat_attachment_change", args=[key]))

    @admin.display(description="created at", ordering="created_at")
    def created(self, attachment: Attachment) -> str:
        return second_of(attachment.created_at)

    @admin.display(ordering="size")
    def space(self, attachment: Attachment) -> str:
        return str(filesizeformat(attachment.size))

    @admin.display(description="made by", ordering="invocation__name")
    def made_by(self, attachment: Attachment) -> str:
        return attachment.invocation.name if attachment.invocation is not None else "a person"

    @admin.display(description="its user sees it", boolean=True)
    def shown(self, attachment: Attachment) -> bool:
        return attachment.is_recorded

    @admin.display(description="tool invocation")
    def invocation_link(self, attachment: Attachment) -> Any:
        if attachment.invocation_id is None:
            return "none"
        return link("admin:chat_toolinvocation_change", attachment.invocation_id)

    @admin.display(description="what is in it")
    def bytes(self, attachment: Attachment) -> SafeString:
        address = reverse("admin:chat_attachment_download", args=[attachment.pk])
        return format_html('<a href="{}" download>Download</a>, which is recorded', address)
