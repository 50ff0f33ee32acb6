"""The first administrator."""

import threading

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.utils import timezone

from chat.actions.accounts import (
    create_superuser_from_environment,
    make_first_administrator,
    setup_link,
    setup_link_works,
)
from chat.actions.providers import ensure_demo_provider
from chat.exceptions import InvalidRequest, NotFound
from chat.models import Provider, SetupLink, User
from chat.pages.accounts import SetUp

FORM = {"username": "lin.chen", "password": "a long enough secret"}


def token_of(link: str | None) -> str:
    assert link is not None
    return link.rstrip("/").rpartition("/")[2]


@pytest.fixture
def page(db: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a fresh link's page, with no providers around."""
    monkeypatch.setattr(SetUp, "environ", {})
    monkeypatch.setattr(SetUp, "local_places", ())
    return f"/accounts/setup/{token_of(setup_link('http://here'))}/"


def test_the_link_leads_to_the_page(db: None):
    link = setup_link("http://127.0.0.1:8000/")

    assert link is not None
    assert link.startswith("http://127.0.0.1:8000/accounts/setup/")


def test_the_token_itself_is_not_stored(db: None):
    token = token_of(setup_link("http://here"))

    assert token not in str(SetupLink.objects.values())


def test_with_a_user_there_is_no_link(alice: User):
    assert setup_link("http://here") is None


def test_a_new_link_replaces_the_old_one(client: Client, page: str):
    newer = token_of(setup_link("http://here"))

    assert client.get(page).status_code == 404
    assert client.get(f"/accounts/setup/{newer}/").status_code == 200


def test_the_page_makes_an_administrator_and_signs_in(client: Client, page: str):
    response = client.post(page, FORM)

    assert response["Location"] == "/"
    user = User.objects.get(username="lin.chen")
    assert user.is_superuser
    assert user.is_staff
    assert client.session["_auth_user_id"] == str(user.pk)


def test_it_works_once(client: Client, page: str):
    client.post(page, FORM)

    assert Client().post(page, {**FORM, "username": "second"}).status_code == 404
    assert User.objects.count() == 1


def test_an_invented_token_is_refused_and_leaves_the_true_one_alone(client: Client, page: str):
    assert client.post("/accounts/setup/invented/", FORM).status_code == 404
    assert client.get(page).status_code == 200


def test_the_link_is_dead_as_soon_as_there_is_a_user(client: Client, page: str, alice: User):
    assert client.post(page, FORM).status_code == 404
    assert User.objects.count() == 1


def test_a_weak_password_makes_nobody_and_keeps_the_link(client: Client, page: str):
    response = client.post(page, {**FORM, "password": "short"})

    assert "This password is too short." in response.content.decode()
    assert not User.objects.exists()
    assert client.get(page).status_code == 200


def test_the_demo_provider_is_ticked_where_nothing_else_was_found(client: Client, page: str):
    body = client.get(page).content.decode()

    assert 'value="demo" id="offer-demo" checked' in body


def test_the_demo_provider_stays_where_it_is_the_only_one(client: Client, page: str):
    ensure_demo_provider()

    client.post(page, FORM)

    assert Provider.objects.get(name="demo").enabled


def test_a_provider_that_the_form_invents_is_not_added(client: Client, page: str):
    client.post(page, {**FORM, "providers": ["http://evil.example/v1", "openai"]})

    assert not Provider.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_becomes_the_administrator():
    token = token_of(setup_link("http://here"))
    line = threading.Barrier(5)
    outcomes: list[str] = []

    def try_it(name: str) -> None:
        line.wait(timeout=10)
        try:
            make_first_administrator(token, username=name, password=FORM["password"])
            outcomes.append("made")
        except NotFound:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=try_it, args=(f"admin{n}",)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(outcomes) == ["made"] + ["refused"] * 4
    assert User.objects.count() == 1


def test_a_used_link_is_refused_even_where_the_user_is_gone(db: None):
    token = token_of(setup_link("http://here"))
    SetupLink.objects.update(used_at=timezone.now())

    with pytest.raises(NotFound):
        make_first_administrator(token, username="late", password=FORM["password"])


def test_the_command_prints_a_link_at_the_public_address(db: None, settings, capsys):
    settings.PUBLIC_URL = "https://chat.example.org/"
    call_command("setup_link")

    link = capsys.readouterr().out.strip()
    assert link.startswith("https://chat.example.org/accounts/setup/")
    assert setup_link_works(token_of(link))


def test_the_command_prints_nothing_where_there_is_a_user(alice: User, capsys):
    call_command("setup_link")

    assert capsys.readouterr().out == ""


ENVIRONMENT = {
    "DJANGO_SUPERUSER_USERNAME": "root",
    "DJANGO_SUPERUSER_PASSWORD": "from the environment",
    "DJANGO_SUPERUSER_EMAIL": "root@EXAMPLE.com",
}


def test_the_environment_makes_an_administrator(db: None):
    user = create_superuser_from_environment(ENVIRONMENT)

    assert user is not None
    assert user.check_password("from the environment")
    assert (user.is_superuser, user.email) == (True, "root@example.com")
    assert setup_link("http://here") is None


def test_a_second_start_changes_nothing(db: None):
    create_superuser_from_environment(ENVIRONMENT)

    again = create_superuser_from_environment({**ENVIRONMENT, "DJANGO_SUPERUSER_PASSWORD": "changed"})

    assert again is None
    assert User.objects.get().check_password("from the environment")


@pytest.mark.parametrize("missing", ["DJANGO_SUPERUSER_USERNAME", "DJANGO_SUPERUSER_PASSWORD"])
def test_without_a_name_or_a_password_nobody_is_made(db: None, missing: str):
    assert create_superuser_from_environment({**ENVIRONMENT, missing: ""}) is None
    assert not User.objects.exists()


@pytest.mark.parametrize(("field", "value"), [("USERNAME", "two words"), ("EMAIL", "nonsense")])
def test_a_bad_value_is_named(db: None, field: str, value: str):
    variable = f"DJANGO_SUPERUSER_{field}"

    with pytest.raises(InvalidRequest, match=variable):
        create_superuser_from_environment({**ENVIRONMENT, variable: value})
    assert not User.objects.exists()
