"""From the page of a person, a model or a process to what concerns it."""

import re
from typing import Any

import pytest
from django.test import Client

from chat.models import User
from tests.admin.gates import signed_in
from tests.factories import ModelCallFactory, NodeFactory, RunFactory


@pytest.fixture
def admin(client: Client, ada: User) -> Client:
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    return client


def ways(client: Client, page: str) -> dict[str, str]:
    """The links beside a page's title, by their words."""
    tools = client.get(page).content.decode().split('class="object-tools"')[1].split("</ul>")[0]
    return {
        words: url.replace("&amp;", "&")
        for url, words in re.findall(r'<a href="([^"]+)"[^>]*>([^<]+)', tools)
    }


def count(client: Client, url: str) -> Any:
    return client.get(url).context["cl"].result_count


def test_a_person_leads_to_their_runs_conversations_and_calls(admin: Client):
    run = RunFactory.create()
    ModelCallFactory.create(run=run, pseudonym=run.user.pseudonym)
    ModelCallFactory.create()

    found = ways(admin, f"/admin/chat/user/{run.user.pk}/change/")

    assert [
        count(admin, found[word]) for word in ("Runs", "Conversations", "Ledger", "Tool invocations")
    ] == [1, 1, 1, 0]


def test_a_model_leads_to_its_runs_and_calls(admin: Client):
    run = RunFactory.create()
    model = run.model
    assert model is not None
    RunFactory.create()
    ModelCallFactory.create(run=run, provider=model.provider.name, model=model.name)

    found = ways(admin, f"/admin/chat/languagemodel/{model.pk}/change/")

    assert [count(admin, found[word]) for word in ("Runs", "Ledger")] == [1, 1]
    assert admin.get(found["Limits now"]).status_code == 200


def test_a_process_leads_to_what_it_does(admin: Client):
    node = NodeFactory.create()
    RunFactory.create(node=node, status="running")
    done = RunFactory.create(node=node, status="completed")
    type(done).objects.filter(pk=done.pk).update(finished_at=done.created_at)

    found = ways(admin, f"/admin/chat/node/{node.pk}/change/")

    assert [count(admin, found[word]) for word in ("Runs under way", "All its runs")] == [1, 2]


def test_who_may_not_see_a_list_is_not_led_there(db: None):
    node = NodeFactory.create()

    assert list(ways(signed_in("view_node"), f"/admin/chat/node/{node.pk}/change/")) == ["History"]
