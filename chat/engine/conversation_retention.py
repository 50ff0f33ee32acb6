"""Drops conversations in which nothing was said for as long as the site keeps them, with all that hangs on them.

Rows of the ledger stay, without saying which conversation they were of. Files go with the next pass over them
(`chat/attachments/retention.py`), event streams in Redis by their own age, which is shorter.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from chat.models import Conversation, Run
from chat.models.conversations import ConversationQuerySet

AT_ONCE: Final = 50
"""Keys that are looked up together. Each conversation goes in a transaction of its own, so that nobody waits long."""


def prune_conversations(before: datetime) -> int:
    """Those that were last spoken in before then; how many. One that is pinned stays, and one with an open run."""
    dropped = 0
    after: UUID | None = None
    while True:
        rows = _old(before).order_by("pk")
        keys = list(
            (rows if after is None else rows.filter(pk__gt=after)).values_list("pk", flat=True)[:AT_ONCE]
        )
        if not keys:
            return dropped
        for key in keys:
            dropped += _drop(key, before)
        after = keys[-1]


def _old(before: datetime) -> ConversationQuerySet:
    open_runs = Run.objects.open().filter(conversation=OuterRef("pk"))
    return Conversation.objects.filter(~Exists(open_runs), updated_at__lt=before, pinned=False)


def _drop(key: UUID, before: datetime) -> int:
    """Asked once more under the lock that whoever starts a run takes, too."""
    with transaction.atomic():
        locked = Conversation.objects.select_for_update().filter(pk=key).first()
        if locked is None or not _old(before).filter(pk=key).exists():
            return 0
        locked.delete()
    return 1
