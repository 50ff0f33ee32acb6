"""Callbacks that meet something else. How each kind is answered: tests/api/test_callbacks.py."""

import json
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from chat.actions.callbacks import Delivered, receive
from chat.exceptions import NotFound
from chat.models import Conversation, ToolCallback, ToolInvocation
from chat.models.tools import tell_nobody
from chat.webhooks.signing import new_secret, sign
from tests.factories import RunFactory, ToolInvocationFactory, WebhookToolFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_columns]

SECRET = new_secret()
BODY = json.dumps({"status": "succeeded", "result": 1}).encode()


@pytest.fixture
def called():
    return ToolInvocationFactory.create(
        run=RunFactory.create(status="waiting", epoch=1),
        kind="webhook",
        waits_for="callback",
        attempts=1,
        webhook_tool=WebhookToolFactory.create(secret=SECRET),
        deadline_at=timezone.now() + timedelta(hours=1),
    )


def headers_of(body: bytes, message: str = "msg_1") -> dict[str, str]:
    return sign([SECRET], message, int(time.time()), body)


def test_one_for_what_is_deleted_at_that_moment_is_not_found(called: ToolInvocation):
    class ReadWhileItIsDeleted(dict[str, str]):
        def items(self):
            Conversation.objects.all().delete()
            return super().items()

    request = Delivered(BODY, ReadWhileItIsDeleted(headers_of(BODY)))
    nobody_hears: Any = SimpleNamespace(tell_invocations=tell_nobody)
    with pytest.raises(NotFound):
        receive(called.pk, request, nobody_hears, now=timezone.now())
    assert ToolCallback.objects.count() == 0
