"""The chat's pages as HTML, before any script runs."""

import json
import re

import pytest

from tests.factories import ConversationFactory, LanguageModelFactory, MessageFactory, RunFactory

pytestmark = pytest.mark.django_db


def page_data(answer):
    found = re.search(
        r'<script id="page-data" type="application/json">(.*?)</script>', answer.content.decode()
    )
    assert found is not None
    return json.loads(found[1])


@pytest.fixture
def talk(alice):
    """A question with two answers, the second one chosen by being newer."""
    conversation = ConversationFactory.create(owner=alice, title="About <folds>")
    question = MessageFactory.create(conversation=conversation, text="What is a *fold*?")
    for text in ("First **answer**", "Second <script>alert(1)</script> answer"):
        answer = MessageFactory.create(
            conversation=conversation, parent=question, role="assistant", text=text
        )
        RunFactory.create(conversation=conversation, message=answer, status="completed", model_name="p/m")
    return conversation


def test_the_first_page_asks_for_nothing_but_a_message(client, alice):
    LanguageModelFactory.create(name="some-model")
    client.force_login(alice)
    answer = client.get("/")
    assert answer.status_code == 200
    assert page_data(answer)["conversation"] is None
    assert "some-model" in answer.content.decode()


def test_messages_stand_in_the_html_rendered_and_escaped(client, alice, talk):
    client.force_login(alice)
    html = client.get(f"/c/{talk.pk}/").content.decode()
    assert "What is a *fold*?" in html or "<em>fold</em>" in html
    assert "Second" in html
    assert "<script>alert(1)" not in html
    assert "About &lt;folds&gt;" in html


def test_the_newest_answer_is_shown_with_a_pager_to_the_other(client, alice, talk):
    client.force_login(alice)
    html = client.get(f"/c/{talk.pk}/").content.decode()
    assert "First <strong>answer</strong>" not in html
    assert "2/2" in html


def test_a_running_answer_is_named_so_that_the_script_can_follow_it(client, alice):
    run = RunFactory.create(conversation__owner=alice, status="running")
    client.force_login(alice)
    answer = client.get(f"/c/{run.conversation_id}/")
    assert page_data(answer)["live"] == [{"run": str(run.pk), "message": str(run.message_id)}]


def test_the_sidebar_lists_only_ones_own(client, alice, mallory, talk):
    ConversationFactory.create(owner=mallory, title="Secret plans")
    client.force_login(alice)
    html = client.get("/").content.decode()
    assert "About &lt;folds&gt;" in html
    assert "Secret plans" not in html


def test_somebody_elses_conversation_is_not_found(client, mallory, talk):
    client.force_login(mallory)
    assert client.get(f"/c/{talk.pk}/").status_code == 404


def test_who_is_not_signed_in_is_asked_to(client, talk):
    answer = client.get(f"/c/{talk.pk}/")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/login/?next=/c/")


def test_pages_come_with_a_strict_policy_and_are_not_cached(client, alice):
    client.force_login(alice)
    answer = client.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "no-store" in answer.headers["Cache-Control"]


def test_no_page_has_an_inline_script_or_style(client, alice, talk):
    client.force_login(alice)
    html = client.get(f"/c/{talk.pk}/").content.decode()
    scripts = re.findall(r"<script([^>]*)>", html)
    assert all("src=" in attributes or "application/json" in attributes for attributes in scripts)
    assert " style=" not in html
    assert not re.search(r"\son\w+=", html)


def test_the_number_of_queries_does_not_grow_with_the_messages(
    client, alice, talk, django_assert_max_num_queries
):
    parent = None
    for number in range(30):
        parent = MessageFactory.create(
            conversation=talk, parent=parent, role=["user", "assistant"][number % 2], text=str(number)
        )
    client.force_login(alice)
    with django_assert_max_num_queries(14):
        client.get(f"/c/{talk.pk}/")
