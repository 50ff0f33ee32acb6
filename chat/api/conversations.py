"""Conversations over REST: changing and deleting one."""

from datetime import datetime
from typing import cast
from uuid import UUID

from django.http import HttpRequest
from msgspec import UNSET
from ninja import Router, Schema, Status

from chat import wiring
from chat.actions.conversations import Change, change_conversation, delete_conversation, visible
from chat.api.auth import needs
from chat.models import Conversation, User
from chat.models.tokens import TokenScope

router = Router(tags=["conversations"])


class ConversationOut(Schema):
    id: UUID
    title: str
    pinned: bool
    archived: bool
    created_at: datetime
    updated_at: datetime


class ChangeIn(Schema):
    """Absent fields stay as they are. `leaf`: the branch this message is on becomes the chosen one."""

    model_config = {"extra": "forbid"}  # noqa: RUF012  (pydantic's way)

    title: str | None = None
    pinned: bool | None = None
    archived: bool | None = None
    leaf: UUID | None = None


@router.get("/{key}", response=ConversationOut, auth=needs(TokenScope.CONVERSATIONS_READ))
def read(request: HttpRequest, key: UUID) -> Conversation:
    return visible(cast(User, request.user), key)


@router.patch("/{key}", response=ConversationOut, auth=needs(TokenScope.CONVERSATIONS_WRITE))
def change(request: HttpRequest, key: UUID, body: ChangeIn) -> Conversation:
    wanted = Change(
        title=UNSET if body.title is None else body.title,
        pinned=UNSET if body.pinned is None else body.pinned,
        archived=UNSET if body.archived is None else body.archived,
        leaf=UNSET if body.leaf is None else body.leaf,
    )
    return change_conversation(cast(User, request.user), key, wanted, wiring.runtime())


@router.delete("/{key}", response={204: None}, auth=needs(TokenScope.CONVERSATIONS_WRITE))
def delete(request: HttpRequest, key: UUID) -> Status[None]:
    delete_conversation(cast(User, request.user), key, wiring.runtime())
    return Status(204, None)
