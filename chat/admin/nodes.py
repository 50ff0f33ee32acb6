"""Living processes."""

from django.conf import settings
from django.contrib import admin

from chat.admin.mixins import ReadOnly
from chat.models import Node


@admin.register(Node)
class NodeAdmin(ReadOnly):
    list_display = ("host", "pid", "kind", "is_alive", "started_at", "heartbeat_at", "stopped_at")
    list_filter = ("kind",)
    ordering = ("-heartbeat_at",)

    @admin.display(boolean=True, description="alive")
    def is_alive(self, node: Node) -> bool:
        return Node.objects.alive(settings.LEASE_SECONDS).filter(pk=node.pk).exists()
