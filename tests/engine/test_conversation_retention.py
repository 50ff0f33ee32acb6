"""What is kept of conversations, and for how long."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat.engine.conversation_retention import prune_conversations
from chat.models import Conversation, Message, ModelCall, Run
from chat.tasks import prune
from tests.factories import ConversationFactory, MessageFactory, ModelCallFactory, RunFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 31, tzinfo=UTC)
BEFORE = NOW - timedelta(days=30)


def conversation(days_ago: float, **fields: object) -> Conversation:
    row = ConversationFactory.create(**fields)
    Conversation.objects.filter(pk=row.pk).update(updated_at=NOW - timedelta(days=days_ago))
    return row


def left() -> set[object]:
    return set(Conversation.objects.values_list("pk", flat=True))


def test_what_was_not_spoken_in_for_so_long_goes_archived_or_not():
    old, archived, new = conversation(31), conversation(31, archived=True), conversation(29)
    MessageFactory.create(conversation=old)
    assert prune_conversations(BEFORE) == 2
    assert left() == {new.pk}
    assert not Message.objects.filter(conversation__in=[old.pk, archived.pk]).exists()


def test_a_pinned_one_stays():
    pinned = conversation(400, pinned=True)
    assert prune_conversations(BEFORE) == 0
    assert left() == {pinned.pk}


def test_one_with_an_open_run_stays():
    parked = conversation(400)
    RunFactory.create(conversation=parked, status=Run.Status.WAITING)
    assert prune_conversations(BEFORE) == 0
    assert left() == {parked.pk}


def test_the_ledger_keeps_its_rows():
    old = conversation(31)
    run = RunFactory.create(conversation=old, status="completed", finished_at=NOW - timedelta(days=31))
    call = ModelCallFactory.create(run=run, conversation=old)
    assert prune_conversations(BEFORE) == 1
    call.refresh_from_db()
    assert (call.run_id, call.conversation_id) == (None, None)
    assert ModelCall.objects.count() == 1


def test_the_hourly_pass_drops_nothing_unless_the_site_says_how_long(settings: Any):
    old = ConversationFactory.create()
    Conversation.objects.filter(pk=old.pk).update(updated_at=timezone.now() - timedelta(days=4000))
    assert prune()["conversations"] == 0
    settings.RETENTION_DAYS = 30
    assert prune()["conversations"] == 1
