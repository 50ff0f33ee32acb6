"""The switch that lets anybody make an account."""

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from chat.models import User

PAGE = "/accounts/sign-up/"
GOOD = {"username": "newcomer", "email": "new@example.com", "password": "a long enough secret"}


def test_it_is_off_unless_it_is_switched_on(client: Client, db: None):
    assert client.get(PAGE).status_code == 404
    assert client.post(PAGE, GOOD).status_code == 404
    assert not User.objects.exists()


def test_while_it_is_off_nothing_links_to_it(client: Client, db: None):
    assert PAGE not in client.get("/accounts/login/").content.decode()


@pytest.fixture
def open_house(settings: Settings, db: None) -> None:
    settings.SIGN_UP = True


@pytest.mark.usefixtures("open_house")
class TestSwitchedOn:
    def test_the_sign_in_page_links_to_it(self, client: Client):
        assert PAGE in client.get("/accounts/login/").content.decode()

    def test_a_new_account_is_signed_in_and_has_no_rights(self, client: Client):
        assert client.post(PAGE, GOOD).status_code == 302

        user = User.objects.get(username="newcomer")
        assert client.session["_auth_user_id"] == str(user.pk)
        assert (user.is_staff, user.is_superuser) == (False, False)

    def test_rights_cannot_be_asked_for(self, client: Client):
        client.post(PAGE, {**GOOD, "is_staff": "on", "is_superuser": "on"})

        assert not User.objects.get(username="newcomer").is_staff

    def test_the_email_address_may_be_left_out(self, client: Client):
        client.post(PAGE, {**GOOD, "email": ""})

        assert User.objects.get(username="newcomer").email == ""

    @pytest.mark.parametrize(
        ("field", "value", "says"),
        [
            ("username", "", "This field is required."),
            ("username", "Alice", "That user name is taken."),
            ("username", "bob@example.com", "A user name may not contain @."),
            ("username", "two words", "Enter a valid username"),
            ("email", "ALICE@example.com", "That email address cannot be used."),
            ("email", "nonsense", "Enter a valid email address."),
            ("password", "short", "This password is too short."),
            ("password", "password1234", "This password is too common."),
            ("password", "newcomer-new", "too similar to the username"),
        ],
    )
    def test_it_says_what_is_wrong(self, client: Client, alice: User, field: str, value: str, says: str):
        response = client.post(PAGE, {**GOOD, field: value})

        assert response.status_code == 200
        assert says in response.content.decode()
        assert User.objects.count() == 1

    def test_somebody_signed_in_needs_no_second_account(self, client: Client, alice: User):
        client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")

        assert client.get(PAGE)["Location"] == "/"
