"""Every list that is registered in the admin asks as many questions, however many rows there are."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chat.admin.lists import LargeList, paginator
from chat.admin.lists.paginator import BoundedPaginator, estimate
from chat.admin.lists.values import is_led_by, values_of
from chat.models import Conversation, Run, User
from tests.admin.any_rows import some
from tests.factories import ConversationFactory, MessageFactory, ModelCallFactory, RunFactory

LISTS = sorted(admin.site._registry, key=lambda model: model._meta.label)
pytestmark = pytest.mark.django_db


@pytest.fixture
def client(client: Client, ada: User) -> Client:
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    return client


def address(model: Any) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def questions(client: Client, model: Any) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address(model)).status_code == 200
    return len(asked)


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_a_list_asks_as_often_for_ten_rows_as_for_two(client: Client, model: Any):
    some(model, 2)
    client.get(address(model))  # what is asked once and remembered
    few = questions(client, model)
    some(model, 8)
    assert questions(client, model) <= few


@pytest.mark.parametrize(
    "model",
    [model for model in LISTS if isinstance(admin.site._registry[model], LargeList)],
    ids=lambda model: model._meta.label,
)
def test_a_search_for_what_is_not_there_opens(client: Client, model: Any):
    for word in ("nobody", "019ad7c4-83e6-7ae3-bd7c-653244ef368b", "%00", "two words"):
        assert client.get(f"{address(model)}?q={word}").status_code == 200


def test_a_run_is_found_by_its_keys_and_its_user(client: Client):
    run, _ = RunFactory.create(), RunFactory.create()
    for word in (run.pk, run.conversation_id, run.user.username):
        found = client.get(f"/admin/chat/run/?q={word}").context["cl"].result_list
        assert [row.pk for row in found] == [run.pk]


def test_a_conversation_knows_how_many_messages_it_has(client: Client):
    conversation = ConversationFactory.create()
    MessageFactory.create_batch(3, conversation=conversation)
    ConversationFactory.create()
    rows = client.get("/admin/chat/conversation/").context["cl"].result_list
    assert {row.pk: row.message_count for row in rows}[conversation.pk] == 3
    assert sorted(row.message_count for row in rows) == [0, 3]


def test_the_calendar_goes_down_to_a_day(client: Client):
    for month, day in ((1, 5), (3, 7), (3, 9)):
        RunFactory.create(created_at=datetime(2025, month, day, 12, tzinfo=UTC))
    RunFactory.create(created_at=datetime(2026, 1, 1, 12, tzinfo=UTC))
    titles = []
    for query in ("", "?created_at__year=2025", "?created_at__year=2025&created_at__month=3"):
        shown = client.get(f"/admin/chat/run/{query}").context["cl"].calendar()
        titles.append([choice["title"] for choice in shown["choices"]])
    assert titles[0] == ["2025", "2026"]
    assert titles[1][:3] == ["January 2025", "February 2025", "March 2025"]
    assert titles[2][0] == "March 1"
    page = client.get("/admin/chat/run/?created_at__year=2025&created_at__month=3&created_at__day=7")
    assert len(page.context["cl"].result_list) == 1


def test_the_values_of_a_filter_come_from_its_index():
    assert is_led_by(Run, "model_name")
    for name in ("b/two", "a/one", "b/two"):
        RunFactory.create(model_name=name)
    assert values_of(Run, Run._meta.get_field("model_name")) == ["a/one", "b/two"]


def test_beyond_what_is_counted_the_database_estimates(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(paginator, "MOST_COUNTED", 3)
    ModelCallFactory.create_batch(6)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chat_run")
    pages = BoundedPaginator(Run.objects.order_by("-created_at"), 2)
    assert pages.count >= 4
    assert pages.is_estimate
    assert pages.note
    assert estimate(Run.objects.all()) == 6


def test_few_rows_are_counted_to_the_last(client: Client):
    ConversationFactory.create_batch(3)
    pages = BoundedPaginator(Conversation.objects.order_by("-updated_at"), 2)
    assert (pages.count, pages.num_pages, pages.note) == (3, 2, "")
    assert len(pages.page(2).object_list) == 1
