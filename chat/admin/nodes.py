"""Living processes."""

from django.conf import settings
from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from chat.admin.mixins import ReadOnly
from chat.models import Node


@admin.register(Node)
class NodeAdmin(ReadOnly):
    list_display = ("host", "pid", "kind", "is_alive", "started_at", "heartbeat_at", "stopped_at")
    list_filter = ("kind",)
    ordering = ("-heartbeat_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        # By the database's clock, as the reaper decides it.
        alive = Node.objects.alive(settings.LEASE_SECONDS).filter(pk=OuterRef("pk"))
        nodes: QuerySet[Node] = super().get_queryset(request).annotate(lives=Exists(alive))
        return nodes

    @admin.display(boolean=True, description="alive")
    def is_alive(self, node: Node) -> bool:
        return bool(node.lives)  # type: ignore[attr-defined]
