"""Signing in, signing out, changing the password."""

import pytest
from django.conf import settings
from django.test import Client

from chat.models import User
from tests.factories import PASSWORD, UserFactory

LOGIN = "/accounts/login/"


def sign_in(client: Client, username: str, password: str = PASSWORD, **extra: str):
    return client.post(LOGIN, {"username": username, "password": password, **extra})


def test_a_user_name_and_its_password_sign_in(client: Client, alice: User):
    response = sign_in(client, "alice")

    assert response.status_code == 302
    assert response["Location"] == "/"
    assert client.session["_auth_user_id"] == str(alice.pk)


@pytest.mark.parametrize("typed", ["alice@example.com", "Alice@Example.COM"])
def test_an_email_address_signs_in_too(client: Client, alice: User, typed: str):
    sign_in(client, typed)

    assert client.session["_auth_user_id"] == str(alice.pk)


def test_an_email_address_of_two_people_signs_in_neither(client: Client, alice: User, bob: User):
    User.objects.update(email="both@example.com")

    assert sign_in(client, "both@example.com").status_code == 200
    assert "_auth_user_id" not in client.session


def test_a_user_name_that_looks_like_an_address_wins_over_the_address(client: Client, alice: User):
    named = UserFactory.create(username="alice@example.com", email="")

    sign_in(client, "alice@example.com")

    assert client.session["_auth_user_id"] == str(named.pk)


@pytest.mark.parametrize(
    ("username", "password"),
    [("alice", "wrong"), ("nobody", PASSWORD), ("", PASSWORD), ("alice\0", PASSWORD)],
)
def test_a_wrong_name_or_password_is_refused_in_the_same_words(
    client: Client, alice: User, username: str, password: str
):
    response = sign_in(client, username, password)

    assert response.status_code == 200
    assert "_auth_user_id" not in client.session
    assert PASSWORD not in response.content.decode()


def test_someone_deactivated_is_refused(client: Client, alice: User):
    User.objects.update(is_active=False)

    sign_in(client, "alice")

    assert "_auth_user_id" not in client.session


def test_staying_signed_in_keeps_the_session_for_its_whole_age(client: Client, alice: User):
    response = sign_in(client, "alice", stay="on")

    assert response.cookies["sessionid"]["max-age"] == settings.SESSION_COOKIE_AGE


def test_not_staying_ends_the_session_with_the_browser(client: Client, alice: User):
    response = sign_in(client, "alice")

    assert response.cookies["sessionid"]["max-age"] == ""


def test_after_signing_in_the_page_that_was_asked_for_opens(client: Client, alice: User):
    response = sign_in(client, "alice", next="/accounts/password/")

    assert response["Location"] == "/accounts/password/"


def test_another_site_is_never_the_page_that_opens(client: Client, alice: User):
    response = sign_in(client, "alice", next="https://evil.example/")

    assert response["Location"] == "/"


def test_the_page_bears_the_name_of_the_site_and_not_of_the_host(client: Client, alice: User):
    page = client.get(LOGIN).content.decode()

    assert settings.SITE_NAME in page
    assert "testserver" not in page


def test_a_form_without_its_csrf_token_is_refused(alice: User):
    response = sign_in(Client(enforce_csrf_checks=True), "alice")

    assert response.status_code == 403


def test_signing_out_ends_the_session(client: Client, alice: User):
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")

    client.post("/accounts/logout/")

    assert "_auth_user_id" not in client.session


def test_a_link_cannot_sign_anybody_out(client: Client, alice: User):
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get("/accounts/logout/").status_code == 405
    assert "_auth_user_id" in client.session


def change_password(client: Client, old: str, new: str):
    fields = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post("/accounts/password/", fields)


def test_a_changed_password_signs_in_and_keeps_this_session(client: Client, alice: User):
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")

    assert change_password(client, PASSWORD, "another long secret").status_code == 302

    assert client.get("/accounts/password/").status_code == 200
    assert sign_in(Client(), "alice", "another long secret").status_code == 302


def test_a_changed_password_ends_the_other_sessions(client: Client, alice: User):
    elsewhere = Client()
    for browser in (client, elsewhere):
        browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")

    change_password(client, PASSWORD, "another long secret")

    assert elsewhere.get("/accounts/password/").status_code == 302


@pytest.mark.parametrize(
    ("old", "new"), [("wrong", "another long secret"), (PASSWORD, "short"), (PASSWORD, "password1234")]
)
def test_a_change_with_the_wrong_old_or_a_weak_new_password_changes_nothing(
    client: Client, alice: User, old: str, new: str
):
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")

    assert change_password(client, old, new).status_code == 200

    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_changing_a_password_needs_a_session(client: Client, alice: User):
    response = client.get("/accounts/password/")

    assert response["Location"].startswith(LOGIN)
