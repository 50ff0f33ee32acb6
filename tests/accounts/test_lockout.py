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


def guess_through(client: Client, forwarded_for: str, peer: str = "10.0.0.2"):
    """As a proxy passes it on."""
    form = {"username": "alice", "password": "wrong"}
    return client.post("/accounts/login/", form, REMOTE_ADDR=peer, headers={"X-Forwarded-For": forwarded_for})


def test_behind_a_proxy_visitors_are_told_apart_by_what_it_says(client: Client, alice: User, settings):
    settings.PROXY_COUNT = 1
    for _ in range(settings.AXES_FAILURE_LIMIT):
        guess_through(client, "192.0.2.7")

    assert guess_through(client, "192.0.2.7").status_code == 429
    assert guess_through(client, "192.0.2.8").status_code == 200


def test_what_a_visitor_writes_in_front_of_it_does_not_count(client: Client, alice: User, settings):
    settings.PROXY_COUNT = 1
    for n in range(settings.AXES_FAILURE_LIMIT):
        guess_through(client, f"203.0.113.{n}, 192.0.2.7")

    assert guess_through(client, "203.0.113.99, 192.0.2.7").status_code == 429


def test_behind_two_proxies_the_outer_one_is_believed(client: Client, alice: User, settings):
    settings.PROXY_COUNT = 2
    for _ in range(settings.AXES_FAILURE_LIMIT):
        guess_through(client, "203.0.113.1, 192.0.2.7, 10.0.0.1")

    assert guess_through(client, "203.0.113.2, 192.0.2.7, 10.0.0.1").status_code == 429
    assert guess_through(client, "203.0.113.1, 192.0.2.8, 10.0.0.1").status_code == 200


def test_without_a_proxy_of_ours_the_header_counts_for_nothing(client: Client, alice: User):
    for n in range(settings.AXES_FAILURE_LIMIT):
        guess_through(client, f"192.0.2.{n}")

    assert guess_through(client, "192.0.2.99").status_code == 429


def test_an_address_that_is_none_counts_as_the_peer_s(client: Client, alice: User, settings):
    settings.PROXY_COUNT = 1
    for n in range(settings.AXES_FAILURE_LIMIT):
        guess_through(client, f"nonsense-{n}")

    assert guess_through(client, "nonsense").status_code == 429
