"""API tokens in the admin: who may look, who may revoke."""

import pytest
from django.contrib.admin.models import LogEntry

from chat.models import ApiToken
from tests.admin.test_wire import signed_in
from tests.factories import ApiTokenFactory

TOKENS = "/admin/chat/apitoken/"


@pytest.fixture
def token(alice):
    return ApiTokenFactory.create(
        owner=alice, name="nightly", secret="lct_abcdefghijkl", scopes=["runs:read"]
    )


def revoke(client, token):
    return client.post(TOKENS, {"action": "revoke", "_selected_action": [str(token.pk)]}, follow=True)


def test_a_token_is_shown_without_what_it_says(token):
    client = signed_in("view_apitoken", is_staff=True)
    for page in (TOKENS, f"{TOKENS}{token.pk}/change/"):
        text = client.get(page).content.decode()
        assert "nightly" in text
        assert "lct_abcdef…" in text
        assert "runs:read" in text
        assert token.token_sha256 not in text
        assert "lct_abcdefg" not in text


def test_who_may_revokes_it_and_that_is_noted(token):
    client = signed_in("view_apitoken", "change_apitoken", is_staff=True)
    assert "1 token is revoked." in revoke(client, token).content.decode()
    assert ApiToken.objects.get().revoked_at is not None
    assert LogEntry.objects.get().change_message == "Revoked."


def test_who_may_only_look_cannot(token):
    revoke(signed_in("view_apitoken", is_staff=True), token)
    assert ApiToken.objects.get().revoked_at is None


def test_no_one_makes_one_here(token):
    client = signed_in("view_apitoken", "change_apitoken", is_staff=True)
    assert client.get(f"{TOKENS}add/").status_code == 403
