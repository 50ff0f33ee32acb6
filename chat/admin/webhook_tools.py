"""Webhook tools: staff define them; what went to their servers and what came back is a record."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from chat.actions import webhook_tools as actions
from chat.admin.mixins import Gated
from chat.admin.schema_field import SchemaField
from chat.admin.wire import link, verbatim
from chat.exceptions import InvalidRequest
from chat.models import ToolCallback, ToolDelivery, User, WebhookTool
from chat.models.base import second_of


class WebhookToolForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = WebhookTool
        fields = (
            "name", "description", "url", "parameters", "deadline_seconds", "needs_approval", "idempotent",
            "max_result_bytes", "groups", "enabled",
        )  # fmt: skip
        field_classes = {"parameters": SchemaField}  # noqa: RUF012
        help_texts = {  # noqa: RUF012
            "name": "As the model calls it: small letters, digits and _.",
            "description": "What the model is told: what it does, and when to use it.",
            "url": "Where it is called. https:// on the public internet, or a host in TOOLS_ALLOWED_HOSTS.",
            "parameters": "A JSON schema of an object. Arguments that do not fit it are not sent.",
            "deadline_seconds": "From the call to its result; up to seven days.",
            "needs_approval": "A person must agree to each call.",
            "idempotent": (
                "Its server does a call once however often it comes, by its webhook-id. Only then is it called again "
                "where there was no answer."
            ),
            "max_result_bytes": "What the model is given of a result; all of it is kept.",
            "groups": "Who may use it. None: everybody.",
        }

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        _checked(actions.check_tool_name, name)
        return name

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        _checked(actions.check_tool_url, url)
        return url

    def clean_parameters(self) -> Any:
        schema = self.cleaned_data["parameters"]
        _checked(actions.check_parameters, schema)
        return schema


def _checked(check: Any, value: object) -> None:
    try:
        check(value)
    except InvalidRequest as error:
        raise ValidationError(str(error)) from None


@admin.register(WebhookTool)
class WebhookToolAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = WebhookToolForm
    list_display = ("name", "where", "deadline_seconds", "needs_approval", "idempotent", "enabled")
    list_filter = ("enabled",)
    search_fields = ("name", "url")
    ordering = ("name",)
    filter_horizontal = ("groups",)
    actions = ("new_secret",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookTool]:
        rows: QuerySet[WebhookTool] = super().get_queryset(request)
        return rows.defer("secrets_encrypted")

    @admin.display(ordering="url", description="URL")
    def where(self, tool: WebhookTool) -> str:
        """What stands behind the question mark may be a key."""
        address, question, _ = tool.url.partition("?")
        return f"{address}?…" if question else address

    def save_model(self, request: HttpRequest, obj: WebhookTool, form: Any, change: bool) -> None:
        if not change:
            request.new_secret = actions.first_secret(obj)  # type: ignore[attr-defined]  # for the answer to this request
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: WebhookTool, _post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._with_secret(request, obj, request.new_secret)  # type: ignore[attr-defined]

    @admin.action(description="Give it a new secret", permissions=["change"])
    def new_secret(self, request: HttpRequest, chosen: QuerySet[WebhookTool]) -> HttpResponse | None:
        tools = list(chosen[:2])
        if len(tools) != 1:
            messages.error(request, "Choose one tool: its secret is shown once.")
            return None
        secret = actions.rotate_tool_secret(tools[0])
        self.log_change(request, tools[0], "Gave it a new secret.")
        return self._with_secret(request, tools[0], secret, replaced=True)

    def _with_secret(
        self, request: HttpRequest, tool: WebhookTool, secret: str, *, replaced: bool = False
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"The secret of {tool.name}",
            "opts": self.opts,
            "tool": tool,
            "secret": secret,
            "replaced": replaced,
        }
        return TemplateResponse(request, "admin/chat/webhook_tool_secret.html", context)


class Exchanged(Gated):
    """A record of what went to or came from a tool's server."""

    list_select_related = ("invocation__webhook_tool", "invocation__user")
    search_fields = ("=id", "=invocation__id", "=invocation__name")
    ordering = ("-pk",)
    show_full_result_count = False

    def subject_of(self, row: ToolDelivery | ToolCallback) -> User | None:
        return row.invocation.user

    def conversation_of(self, row: ToolDelivery | ToolCallback) -> UUID | None:
        return row.invocation.conversation_id

    @admin.display(description="created at", ordering="pk")
    def created(self, row: ToolDelivery | ToolCallback) -> str:
        return second_of(row.created_at)

    @admin.display(ordering="invocation__name")
    def tool(self, row: ToolDelivery | ToolCallback) -> str:
        return row.invocation.name

    @admin.display(description="invocation")
    def invocation_link(self, row: ToolDelivery | ToolCallback) -> SafeString:
        return link("admin:chat_toolinvocation_change", row.invocation_id)


@admin.register(ToolDelivery)
class ToolDeliveryAdmin(Exchanged):
    kind = "tool_delivery"
    list_display = ("created", "tool", "attempt", "again", "status", "error", "duration_ms", "stands")
    fields = (
        "id", "created", "tool", "invocation_link", "attempt", "again", "where", "status", "error", "duration_ms",
    )  # fmt: skip
    content = ("response_text",)
    list_filter = ("status", "again")
    actions = ("call_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ToolDelivery]:
        rows: QuerySet[ToolDelivery] = super().get_queryset(request)
        return rows.defer("response")

    def has_redeliver_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.redeliver_tooldelivery")

    @admin.display(description="the call")
    def stands(self, row: ToolDelivery) -> str:
        """As it is now, whatever came of this try."""
        return str(row.invocation.get_status_display())

    @admin.display(description="URL")
    def where(self, row: ToolDelivery) -> str:
        return row.url.partition("?")[0]

    @admin.display(description="the server's answer")
    def response_text(self, row: ToolDelivery) -> SafeString:
        return verbatim(row.response)

    @admin.action(description="Call again, under the same id", permissions=["redeliver"])
    def call_again(self, request: HttpRequest, chosen: QuerySet[ToolDelivery]) -> None:
        rows = list(chosen.select_related("invocation"))
        count = actions.call_again(row.invocation for row in rows)
        for row in rows:
            self.log_change(request, row, "Asked for it to be called again.")
        left = len({row.invocation_id for row in rows}) - count
        why = f"; {left} do not wait for a callback any more" if left else ""
        messages.info(request, f"{count} will be called again{why}.")


@admin.register(ToolCallback)
class ToolCallbackAdmin(Exchanged):
    kind = "tool_callback"
    list_display = ("created", "tool", "what", "accepted", "answer")
    fields = ("id", "created", "tool", "invocation_link", "what", "accepted", "answer")
    content = ("message", "detail")
    list_filter = ("accepted", "answer", "what")
