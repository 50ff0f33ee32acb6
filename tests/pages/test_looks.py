"""What people are told of those who have looked at what they wrote."""

from typing import Any

import pytest
from django.test import Client

from chat.audit.facts import Fact
from chat.models import User
from chat.wiring.audit import record
from tests.factories import ConversationFactory

PAGE = "/settings/looks/"


@pytest.fixture
def client(client: Client, alice: User) -> Client:
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    return client


def looked(actor: User, subject: User, **changes: Any) -> None:
    fields: dict[str, Any] = {"action": "look", "kind": "run", "key": "1", "reason": "ticket 4471"}
    record(Fact(**(fields | changes), actor=actor.pseudonym, subject=subject.pseudonym))


def shown(client: Client, address: str = PAGE) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_says_who_looked_at_what_and_why(client: Client, alice: User, ada: User):
    conversation = ConversationFactory.create(owner=alice)
    looked(ada, alice, kind="conversation", key=str(conversation.pk))
    looked(ada, alice, action="found", kind="conversation", key="no key", reason="an audit")
    looked(ada, alice, action="download", kind="attachment")
    page = shown(client)

    assert page.count("<td>ada</td>") == 3
    assert "ticket 4471" in page
    assert f'<a href="/c/{conversation.pk}/">a conversation, opened</a>' in page
    assert "found by a search in contents" in page
    assert "a file, downloaded" in page


def test_nobody_elses_entries_stand_there_and_no_other_deeds(
    client: Client, alice: User, bob: User, ada: User
):
    looked(ada, bob, reason="about bob")
    looked(ada, alice, action="change", kind="user", reason="a change")
    page = shown(client)

    assert "Nobody has looked." in page
    assert "about bob" not in page
    assert "a change" not in page


def test_a_site_may_keep_the_names_to_itself(client: Client, alice: User, ada: User, settings):
    settings.AUDIT_SHOW_NAMES = False
    looked(ada, alice)
    page = shown(client)

    assert "ticket 4471" in page
    assert "ada" not in page
    assert "does not tell their names" in page


def test_somebody_who_has_left_has_no_name(client: Client, alice: User, ada: User):
    looked(ada, alice)
    ada.delete()

    assert "somebody who has left" in shown(client)


def test_older_ones_are_a_page_away(client: Client, alice: User, ada: User):
    for number in range(51):
        looked(ada, alice, reason=f"reason {number:02}")
    page = shown(client)

    assert "reason 50" in page
    assert "reason 00" not in page
    older = page.split('href="?before=')[1].split('"')[0]
    assert "reason 00" in shown(client, f"{PAGE}?before={older}")


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "²"])
def test_an_odd_address_shows_the_newest(client: Client, alice: User, ada: User, before: str):
    looked(ada, alice)
    assert "ticket 4471" in shown(client, f"{PAGE}?before={before}")


def test_a_page_asks_as_often_however_many_there_are(
    client: Client, alice: User, ada: User, django_assert_max_num_queries: Any
):
    for _ in range(20):
        looked(ada, alice, kind="conversation", key=str(ConversationFactory.create(owner=alice).pk))
    with django_assert_max_num_queries(5):
        shown(client)


def test_what_somebody_wrote_as_a_reason_is_text(client: Client, alice: User, ada: User):
    looked(ada, alice, reason="<script>alert(1)</script>")
    assert "<script>alert" not in shown(client)


def test_it_is_for_whoever_is_signed_in(client: Client):
    assert Client().get(PAGE).status_code == 302
    assert f'href="{PAGE}"' in client.get("/").content.decode()
