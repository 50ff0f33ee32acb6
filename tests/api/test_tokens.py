"""Calling REST with an API token."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from chat.api.root import api
from chat.models import ApiToken, Conversation
from chat.models.tokens import TokenScope
from tests.factories import ApiTokenFactory, ConversationFactory

pytestmark = pytest.mark.django_db

SECRET = "lct_of-alice"


@pytest.fixture
def mine(alice):
    return ConversationFactory.create(owner=alice, title="Old title")


@pytest.fixture
def token(alice):
    return ApiTokenFactory.create(owner=alice, secret=SECRET)


@pytest.fixture
def program():
    """No session, and as strict about CSRF as a real server."""
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {SECRET}"})


def path(conversation):
    return f"/api/v1/conversations/{conversation.pk}"


def rename(client, conversation):
    return client.patch(path(conversation), json.dumps({"title": "New"}), content_type="application/json")


def refused(answer, status, code):
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code


def test_a_token_reads_and_changes_what_its_owner_may_without_a_csrf_token(program, token, mine, office):
    assert program.get(path(mine)).json()["title"] == "Old title"
    assert rename(program, mine).status_code == 200
    assert Conversation.objects.get(pk=mine.pk).title == "New"


def test_somebody_elses_things_are_not_found(program, token, bob):
    refused(program.get(path(ConversationFactory.create(owner=bob))), 404, "not_found")


def test_without_the_scope_it_is_refused(program, token, mine, office):
    ApiToken.objects.update(scopes=["conversations:read", "usage:read"])
    assert program.get(path(mine)).status_code == 200
    assert program.get("/api/v1/usage").status_code == 200
    refused(rename(program, mine), 403, "forbidden")
    refused(program.get("/api/v1/webhook-endpoints"), 403, "forbidden")
    assert Conversation.objects.get(pk=mine.pk).title == "Old title"


def test_a_scope_gives_no_right_that_the_owner_has_not(program, token):
    refused(program.get("/api/v1/usage?everybody=true"), 403, "forbidden")


@pytest.mark.parametrize(
    "change",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"token_sha256": "0" * 64},
    ],
    ids=["revoked", "expired", "wrong"],
)
def test_a_token_that_does_not_hold_is_nobodys(program, token, mine, change):
    ApiToken.objects.update(**change)
    refused(program.get(path(mine)), 401, "signed_out")


def test_a_deactivated_owners_token_is_nobodys(program, token, mine, alice):
    alice.is_active = False
    alice.save()
    refused(program.get(path(mine)), 401, "signed_out")


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "bearer x", "Bearer " + "x" * 5000, "Bearer \xff\x00"]
)
def test_nonsense_is_nobodys(mine, header):
    refused(Client(headers={"Authorization": header}).get(path(mine)), 401, "signed_out")


def test_a_wrong_token_is_not_made_good_by_a_session(alice, mine):
    client = Client(headers={"Authorization": "Bearer lct_wrong"})
    client.force_login(alice)
    refused(client.get(path(mine)), 401, "signed_out")


def test_another_kind_of_authorization_leaves_the_session_alone(alice, mine):
    client = Client(headers={"Authorization": "Basic YWxpY2U6eA=="})
    client.force_login(alice)
    assert client.get(path(mine)).status_code == 200


def test_a_token_opens_neither_pages_nor_the_admin(ada):
    ApiTokenFactory.create(owner=ada, secret=SECRET)
    client = Client(headers={"Authorization": f"Bearer {SECRET}"})
    for page in ("/", "/admin/", "/admin/chat/apitoken/"):
        answer = client.get(page)
        assert answer.status_code == 302
        assert "/login/" in answer.headers["Location"]


def test_its_use_is_noted_once_a_minute(program, token, mine, django_assert_num_queries):
    program.get(path(mine))
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    with django_assert_num_queries(2):  # the token with its owner, the conversation
        program.get(path(mine))
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    program.get(path(mine))
    assert ApiToken.objects.filter(last_used_at__gte=first).exists()


def test_a_wrong_token_is_not_logged(mine, caplog):
    secret = "lct_abcdefghijklmnopqrstuvwxyz"
    Client(headers={"Authorization": f"Bearer {secret}"}).get(path(mine))
    assert secret not in caplog.text


def test_every_route_names_a_scope():
    schema = api.get_openapi_schema()
    routes = [operation for methods in schema["paths"].values() for operation in methods.values()]
    assert routes
    assert all({"ApiTokenAuth": []} in operation["security"] for operation in routes)


def test_scopes_are_the_documented_ones():
    from tests.architecture.test_reference_docs import ROOT

    words = (ROOT / "docs" / "tokens.md").read_text(encoding="utf-8")
    assert all(f"| `{scope}` |" in words for scope in TokenScope.values)
