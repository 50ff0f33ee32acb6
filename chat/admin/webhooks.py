"""Outgoing webhooks: endpoints and what was delivered there. What they said is behind the gate."""

from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from chat.actions.webhooks import deliver_again
from chat.admin.mixins import Gated, ReadOnly
from chat.admin.wire import indented, link, verbatim
from chat.models import User, WebhookDelivery, WebhookEndpoint
from chat.models.base import second_of


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnly):
    list_display = (
        "where", "owner", "description", "enabled", "disabled_because", "failing_since", "last_attempt_at",
    )  # fmt: skip
    fields = (
        "id", "owner", "where", "description", "events", "enabled", "disabled_because", "disabled_at",
        "failing_since", "paused_until", "last_attempt_at", "created_at",
    )  # fmt: skip
    list_filter = ("enabled", "disabled_because")
    list_select_related = ("owner",)
    search_fields = ("=id", "url", "owner__username")
    ordering = ("-pk",)
    show_full_result_count = False
    actions = ("switch_on", "switch_off")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        rows: QuerySet[WebhookEndpoint] = super().get_queryset(request)
        return rows.defer("secrets_encrypted")

    def has_switch_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.change_webhookendpoint")

    @admin.display(ordering="url", description="URL")
    def where(self, endpoint: WebhookEndpoint) -> str:
        """What stands behind the question mark may be a key."""
        address, question, _ = endpoint.url.partition("?")
        return f"{address}?…" if question else address

    @admin.action(description="Switch on", permissions=["switch"])
    def switch_on(self, request: HttpRequest, chosen: QuerySet[WebhookEndpoint]) -> None:
        for endpoint in chosen:
            WebhookEndpoint.objects.switch_on(endpoint.pk)
            self.log_change(request, endpoint, "Switched on.")

    @admin.action(description="Switch off, giving up what waits", permissions=["switch"])
    def switch_off(self, request: HttpRequest, chosen: QuerySet[WebhookEndpoint]) -> None:
        for endpoint in chosen:
            WebhookEndpoint.objects.switch_off(endpoint.pk, WebhookEndpoint.Off.BY_STAFF)
            self.log_change(request, endpoint, "Switched off.")


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(Gated):
    kind = "webhook_delivery"
    list_display = (
        "created", "endpoint", "owner", "event", "status", "attempts", "next_attempt", "last_status",
        "last_error", "duration_ms",
    )  # fmt: skip
    fields = (
        "id", "created", "owner", "endpoint_link", "event", "status", "attempts", "epoch", "next_attempt",
        "last_attempt_at", "last_status", "last_error", "duration_ms", "finished_at",
    )  # fmt: skip
    content = ("payload_text", "response_text")
    list_filter = ("status", "event", "last_status")
    list_select_related = ("endpoint__owner",)
    search_fields = ("=id", "=endpoint__id", "endpoint__owner__username")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    show_full_result_count = False
    actions = ("redeliver",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        rows: QuerySet[WebhookDelivery] = super().get_queryset(request)
        return rows.defer("payload", "last_response", "endpoint__secrets_encrypted")

    def subject_of(self, row: WebhookDelivery) -> User | None:
        return row.endpoint.owner

    def conversation_of(self, _row: WebhookDelivery) -> UUID | None:
        return None

    def has_redeliver_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.redeliver_webhookdelivery")

    @admin.action(description="Deliver again", permissions=["redeliver"])
    def redeliver(self, request: HttpRequest, chosen: QuerySet[WebhookDelivery]) -> None:
        rows = list(chosen)
        count = deliver_again([row.pk for row in rows])
        for row in rows:
            self.log_change(request, row, "Asked for it to be delivered again.")
        left = len(rows) - count
        why = f"; {left} still wait, or their endpoint is switched off" if left else ""
        messages.info(request, f"{count} will be delivered again{why}.")

    @admin.display(description="created at", ordering="created_at")
    def created(self, delivery: WebhookDelivery) -> str:
        """With seconds: events of a run come close together."""
        return second_of(delivery.created_at)

    @admin.display
    def owner(self, delivery: WebhookDelivery) -> str:
        return str(delivery.endpoint.owner)

    @admin.display(description="next attempt")
    def next_attempt(self, delivery: WebhookDelivery) -> str:
        return "" if delivery.finished_at is not None else second_of(delivery.next_attempt_at)

    @admin.display(description="endpoint")
    def endpoint_link(self, delivery: WebhookDelivery) -> SafeString:
        return link("admin:chat_webhookendpoint_change", delivery.endpoint_id)

    @admin.display(description="payload")
    def payload_text(self, delivery: WebhookDelivery) -> SafeString:
        return verbatim(indented(delivery.payload.encode()))

    @admin.display(description="the receiver's answer")
    def response_text(self, delivery: WebhookDelivery) -> SafeString:
        return verbatim(delivery.last_response)
