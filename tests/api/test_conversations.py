"""Changing conversations over REST."""

import json
import uuid

import pytest

from chat.models import Conversation, Message
from tests.factories import ConversationFactory, MessageFactory, RunFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine(alice):
    return ConversationFactory.create(owner=alice, title="Old title")


def patch(client, conversation, **fields):
    return client.patch(
        f"/api/v1/conversations/{conversation.pk}", json.dumps(fields), content_type="application/json"
    )


def test_a_conversation_is_renamed_and_every_tab_hears_of_it(
    client, alice, mine, office, django_capture_on_commit_callbacks
):
    client.force_login(alice)
    with django_capture_on_commit_callbacks(execute=True):
        answer = patch(client, mine, title="  New \n title ")
    assert answer.status_code == 200
    assert answer.json()["title"] == "New title"
    (notice,) = office.notices
    assert notice[:2] == (alice.pk, "conversation.updated")
    assert notice[2]["title"] == "New title"


def test_renaming_does_not_move_a_conversation(client, alice, mine, office):
    client.force_login(alice)
    before = Conversation.objects.get(pk=mine.pk).updated_at
    patch(client, mine, title="Other")
    assert Conversation.objects.get(pk=mine.pk).updated_at == before


def test_a_branch_is_chosen_by_its_leaf(client, alice, mine, office):
    question = MessageFactory.create(conversation=mine)
    first = MessageFactory.create(conversation=mine, parent=question, role="assistant")
    MessageFactory.create(conversation=mine, parent=question, role="assistant")
    client.force_login(alice)
    assert patch(client, mine, leaf=str(first.pk)).status_code == 200
    assert Message.objects.get(pk=question.pk).chosen_child_id == first.pk


def test_deleting_takes_the_messages_along_and_stops_what_runs(
    client, alice, mine, office, django_capture_on_commit_callbacks
):
    run = RunFactory.create(conversation=mine, status="running")
    client.force_login(alice)
    with django_capture_on_commit_callbacks(execute=True):
        assert client.delete(f"/api/v1/conversations/{mine.pk}").status_code == 204
    assert not Message.objects.exists()
    assert office.stopped == [run.pk]
    assert office.notices[0][2]["deleted"] is True


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""},
        {"title": "x" * 201},
        {"title": "\0\ud800"},
        {"title": "half of an emoji: \ud83d"},
        {"colour": "red"},
        {"\udc00": "red"},
        {"leaf": "nonsense"},
        {"leaf": "\ud800"},
    ],
)
def test_what_makes_no_sense_is_refused_with_a_code(client, alice, mine, office, fields):
    client.force_login(alice)
    answer = patch(client, mine, **fields)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "bad_frame"


def test_a_leaf_of_another_conversation_is_not_found(client, alice, mine, office):
    foreign = MessageFactory.create()
    client.force_login(alice)
    assert patch(client, mine, leaf=str(foreign.pk)).status_code == 404


def test_somebody_elses_conversation_looks_like_none(client, mallory, mine, office):
    client.force_login(mallory)
    absent = Conversation(pk=uuid.uuid4())
    assert patch(client, mine, title="mine now").json() == patch(client, absent, title="x").json()
    assert client.delete(f"/api/v1/conversations/{mine.pk}").status_code == 404
    assert client.get(f"/api/v1/conversations/{mine.pk}").status_code == 404
    assert Conversation.objects.get(pk=mine.pk).title == "Old title"


def test_nobody_is_answered_without_signing_in(client, mine, office):
    answer = patch(client, mine, title="x")
    assert answer.status_code == 401
    assert answer.json()["code"] == "signed_out"


def test_a_change_needs_the_csrf_token(alice, mine, office):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    answer = patch(strict, mine, title="x")
    assert answer.status_code == answer.json()["status"] == 403
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "forbidden"


@pytest.mark.parametrize("body", ["{", "[1", '{"title": 1e999}', "null", b"\xff", ""])
def test_a_body_that_is_none_is_refused_with_a_code(client, alice, mine, office, body):
    client.force_login(alice)
    answer = client.patch(f"/api/v1/conversations/{mine.pk}", body, content_type="application/json")
    assert answer.status_code == answer.json()["status"] == 400
    assert answer.json()["code"] == "bad_frame"
