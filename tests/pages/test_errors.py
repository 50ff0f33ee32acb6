"""Pages that say no, in the site's own look."""

import pytest
from django.db import connection
from django.template.loader import get_template
from django.test import Client, override_settings

from tests.beside import locked

pytestmark = pytest.mark.django_db


def is_ours(html: str) -> bool:
    return "<h1" in html and 'class="brand"' in html and "Back to chat" in html and "/static/" in html


def test_what_does_not_exist_is_told_with_a_way_back(client):
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert is_ours(answer.content.decode())


def test_a_form_from_too_old_a_page_says_what_to_do():
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/", {"username": "a", "password": "b"})
    assert answer.status_code == 403
    assert is_ours(answer.content.decode())
    assert "reload the page" in answer.content.decode()


@pytest.mark.parametrize("name", ["403.html", "500.html", "503.html"])
@override_settings(SITE_NAME="House of Words")
def test_error_pages_need_nothing_but_the_settings(name):
    html = get_template(name).render()
    assert is_ours(html)
    assert "House of Words" in html
    assert " style=" not in html


def test_browsers_that_ask_for_an_icon_by_habit_get_one(client):
    answer = client.get("/favicon.ico")
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith(".svg")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_locked_for_long_is_told_with_when_to_come_back():
    browser = Client(raise_request_exception=False)
    with locked("axes_accessattempt", "chat_user"):
        answer = browser.post("/accounts/login/", {"username": "alice", "password": "wrong"})
    # As at a request's end: a connection that was waited for in vain is given up.
    connection.close()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert is_ours(answer.content.decode())
