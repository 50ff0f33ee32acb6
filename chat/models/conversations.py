"""Conversations: trees of messages. Only `parent` is stored; the chosen branch is remembered per fork."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import models

from chat.models.base import Row

if TYPE_CHECKING:
    from chat.models.users import User


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, user: "User") -> "ConversationQuerySet":
        return self.filter(owner=user)

    def listed(self) -> "ConversationQuerySet":
        """For the sidebar: few columns, pinned ones first, then the newest."""
        return (
            self.filter(archived=False)
            .only("id", "title", "pinned", "updated_at")
            .order_by("-pinned", "-updated_at")
        )


class Conversation(Row):
    owner = models.ForeignKey("chat.User", models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=200, blank=True)
    options = models.JSONField(default=dict, blank=True)
    """Defaults for its runs: `system`, `temperature` and the like."""
    chosen_root = models.ForeignKey("chat.Message", models.SET_NULL, null=True, related_name="+")
    """Which of the first messages the active path begins with; null means the newest."""
    pinned = models.BooleanField(default=False)
    archived = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now_add=True)
    """The last time something was said in it; renaming does not move it."""

    objects = ConversationQuerySet.as_manager()

    class Meta:
        permissions = [("audit_conversation", "Can open what people wrote, with a reason that is recorded")]
        indexes = [
            models.Index(
                fields=["owner", "archived", "-pinned", "-updated_at"], name="conversation_by_owner"
            ),
            models.Index(fields=["updated_at"], name="conversation_by_time"),
        ]


class MessageQuerySet(models.QuerySet["Message"]):
    def visible_to(self, user: "User") -> "MessageQuerySet":
        return self.filter(conversation__owner=user)


class Message(Row):
    """One node of the tree. `parts` holds the stored parts (docs/reference/events.md)."""

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    chosen_child = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    """Which answer to it the active path takes; null means the newest."""
    role = models.CharField(max_length=16, choices=Role)
    parts = models.JSONField(default=list)
    model = models.CharField(max_length=200, blank=True)
    """`provider/model` that wrote it, as it was called then."""
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MessageQuerySet.as_manager()

    @property
    def text(self) -> str:
        return text_of(self.parts)


def text_of(parts: Sequence[dict[str, Any]]) -> str:
    return "".join(part["text"] for part in parts if part.get("type") == "text")


class _Shape(NamedTuple):
    """What of a message the shape of the tree needs."""

    id: UUID
    parent_id: UUID | None
    chosen_child_id: UUID | None


class Tree:
    """The shape of one conversation, without the texts: one query, however long it is."""

    def __init__(self, conversation: Conversation) -> None:
        rows = conversation.messages.order_by("id").values_list("id", "parent_id", "chosen_child_id")
        self._chosen_root = conversation.chosen_root_id
        self._nodes = {row[0]: _Shape(*row) for row in rows}
        self._children: dict[UUID | None, list[UUID]] = {}
        for node in self._nodes.values():
            self._children.setdefault(node.parent_id, []).append(node.id)

    def __contains__(self, message: UUID) -> bool:
        return message in self._nodes

    def siblings(self, message: UUID) -> list[UUID]:
        """The alternatives at one place, oldest first, the message itself among them."""
        return self._children[self._nodes[message].parent_id]

    def path_to(self, message: UUID) -> list[UUID]:
        """From the first message down to this one."""
        path = []
        here: UUID | None = message
        while here is not None:
            path.append(here)
            here = self._nodes[here].parent_id
        return path[::-1]

    def active_path(self) -> list[UUID]:
        """From the first message to the tip of the chosen branch."""
        return self.path_below(None, self._chosen_root)

    def path_below(self, message: UUID | None, chosen: UUID | None) -> list[UUID]:
        path: list[UUID] = []
        while children := self._children.get(message):
            message = chosen if chosen in children else children[-1]
            path.append(message)
            chosen = self._nodes[message].chosen_child_id
        return path
