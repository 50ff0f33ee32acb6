"""Guessing passwords."""

from django.conf import settings
from django.test import Client

from chat.models import User
from tests.factories import PASSWORD


def guess(client: Client, password: str, username: str = "alice", address: str = "127.0.0.1"):
    return client.post("/accounts/login/", {"username": username, "password": password}, REMOTE_ADDR=address)


def lock(client: Client, username: str = "alice") -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        guess(client, "wrong", username)


def test_after_too_many_wrong_passwords_the_right_one_is_refused_too(client: Client, alice: User):
    lock(client)

    response = guess(client, PASSWORD)

    assert response.status_code == 429
    assert "_auth_user_id" not in client.session


def test_the_refusal_says_when_to_try_again(client: Client, alice: User):
    lock(client)

    response = guess(client, PASSWORD)

    assert int(response["Retry-After"]) == settings.AXES_COOLOFF_TIME * 3600
    assert "try again in 15 minutes" in response.content.decode()


def test_the_name_and_the_email_address_count_together(client: Client, alice: User):
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        guess(client, "wrong", "alice@example.com")
    guess(client, "wrong", "alice")

    assert guess(client, PASSWORD, "alice@example.com").status_code == 429


def test_one_try_fewer_locks_nobody(client: Client, alice: User):
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        guess(client, "wrong")

    assert guess(client, PASSWORD).status_code == 302


def test_another_name_from_the_same_address_is_free(client: Client, alice: User, bob: User):
    lock(client)

    assert guess(client, PASSWORD, "bob").status_code == 302


def test_the_same_name_from_another_address_is_free(client: Client, alice: User):
    lock(client)

    assert guess(client, PASSWORD, address="192.0.2.7").status_code == 302


def test_signing_in_forgives_what_went_wrong_before(client: Client, alice: User):
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        guess(client, "wrong")
    guess(client, PASSWORD)
    client.logout()

    guess(client, "wrong")

    assert guess(client, PASSWORD).status_code == 302


def test_the_admin_has_the_same_lock(client: Client, ada: User):
    lock(client, "ada")

    response = client.post("/admin/login/", {"username": "ada", "password": PASSWORD})

    assert response.status_code == 429
