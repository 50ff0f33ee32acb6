"""Changing conversations: rename, choose a branch, pin, archive, delete."""

from itertools import pairwise
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from msgspec import UNSET, Struct, UnsetType

from chat.actions.runs import Office
from chat.exceptions import InvalidRequest, NotFound
from chat.models import Conversation, Message, Run, User
from chat.models.conversations import Tree

TITLE_MOST = 200


class Change(Struct, frozen=True, forbid_unknown_fields=True):
    """What is absent stays as it is. `leaf` chooses the branch that a message is on."""

    title: str | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    leaf: UUID | UnsetType = UNSET


def visible(user: User, key: UUID, *, locked: bool = False) -> Conversation:
    """`locked`: nobody else changes it until the transaction ends. SQLite has one writer anyway.

    Raises:
        NotFound: absent or not this user's.
    """
    mine = Conversation.objects.visible_to(user).filter(pk=key)
    conversation = (mine.select_for_update(no_key=True) if locked else mine).first()
    if conversation is None:
        raise NotFound
    return conversation


def change_conversation(user: User, key: UUID, change: Change, office: Office) -> Conversation:
    """
    Raises:
        NotFound: the conversation or the leaf is absent or not this user's.
        InvalidRequest: a title without letters, or longer than 200 characters.
    """
    with transaction.atomic():
        conversation = visible(user, key, locked=True)
        values: dict[str, Any] = {}
        if change.title is not UNSET:
            values["title"] = _checked_title(change.title)
        if change.pinned is not UNSET:
            values["pinned"] = change.pinned
        if change.archived is not UNSET:
            values["archived"] = change.archived
        if change.leaf is not UNSET:
            _choose_branch(conversation, change.leaf)
        if values:
            Conversation.objects.filter(pk=conversation.pk).update(**values)
            conversation.refresh_from_db()
        transaction.on_commit(lambda: _announce(office, user, conversation))
    return conversation


def delete_conversation(user: User, key: UUID, office: Office) -> None:
    """Its running answers are stopped; the ledger keeps its rows.

    Raises:
        NotFound: absent or not this user's.
    """
    with transaction.atomic():
        # Conversation, runs, messages: the order in which everybody locks them.
        conversation = visible(user, key, locked=True)
        runs = Run.objects.filter(conversation=conversation).order_by("pk").select_for_update()
        running = [run for run, ended_at in runs.values_list("pk", "finished_at") if ended_at is None]
        conversation.delete()
        transaction.on_commit(lambda: _announce_deleted(office, user, key, running))


def _choose_branch(conversation: Conversation, leaf: UUID) -> None:
    """Remembers, at every fork above the leaf, which way leads to it."""
    tree = Tree(conversation)
    if leaf not in tree:
        raise NotFound(field="leaf")
    path = tree.path_to(leaf)
    Conversation.objects.filter(pk=conversation.pk).update(chosen_root=path[0])
    for parent, child in pairwise(path):
        if len(tree.siblings(child)) > 1:
            Message.objects.filter(pk=parent).update(chosen_child=child)


def _checked_title(title: str) -> str:
    title = " ".join(title.replace("\0", "").split())
    if not title or len(title) > TITLE_MOST:
        raise InvalidRequest("A title has 1 to 200 characters.", field="title")
    return title


def _announce(office: Office, user: User, conversation: Conversation) -> None:
    fields = {
        "conversation": str(conversation.pk),
        "title": conversation.title,
        "pinned": conversation.pinned,
        "archived": conversation.archived,
        "deleted": False,
    }
    office.announce(user.pk, "conversation.updated", fields)


def _announce_deleted(office: Office, user: User, key: UUID, running: list[UUID]) -> None:
    for run in running:
        office.stop_run(run, timezone.now())
    office.announce(user.pk, "conversation.updated", {"conversation": str(key), "deleted": True})
