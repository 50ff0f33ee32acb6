"""What the API says while the database is locked or away, and what it does not blame on it."""

import pytest
from django.test import Client

from chat import wiring
from tests.beside import locked
from tests.factories import ConversationFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_change_that_waits_too_long_for_a_lock_is_refused_with_when_to_come_back(alice, monkeypatch):
    monkeypatch.setattr(wiring, "runtime", lambda: None)  # nobody will be told anything
    conversation = ConversationFactory.create(owner=alice)
    client = Client()
    client.force_login(alice)
    with locked("chat_conversation"):
        answer = client.patch(
            f"/api/v1/conversations/{conversation.pk}", {"title": "new"}, content_type="application/json"
        )
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.json()["code"] == "storage_unavailable"
    assert answer.json()["retryable"] is True
