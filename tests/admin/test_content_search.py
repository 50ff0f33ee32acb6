"""Searching in what people wrote: recorded before it is made, and each conversation found before it is shown."""

from typing import Any

import pytest
from django.test import Client

from chat.models import AuditEntry, Conversation
from tests.admin.gates import auditor, signed_in
from tests.factories import ConversationFactory, MessageFactory, UserFactory

PAGE = "/admin/chat/conversation/search/"


@pytest.fixture
def conversation(db: None) -> Conversation:
    conversation: Conversation = ConversationFactory.create(
        title="Plans", owner=UserFactory.create(username="carol")
    )
    MessageFactory.create(conversation=conversation, text="the zebra crosses at noon")
    ConversationFactory.create(title="Something else")
    return conversation


def search(client: Client, **form: str) -> Any:
    return client.post(PAGE, {"query": "zebra", "reason": "ticket 7", "owner": ""} | form)


def entries() -> list[tuple[str, str, str, Any]]:
    rows = AuditEntry.objects.filter(action__in=("search", "found")).order_by("sequence")
    return list(rows.values_list("action", "key", "reason", "details"))


def test_it_shows_where_the_words_stand_and_leads_there(conversation: Conversation):
    page = search(auditor("view_conversation")).content.decode()

    assert "the zebra crosses at noon" in page
    assert "carol" in page
    assert f"/admin/chat/conversation/{conversation.pk}/change/" in page
    assert "Something else" not in page


def test_the_search_is_recorded_with_its_query_and_what_it_found_to_whom_it_belongs(
    conversation: Conversation,
):
    search(auditor("view_conversation"))

    first = AuditEntry.objects.get(action="search")
    assert entries() == [
        ("search", "", "ticket 7", {"query": "zebra"}),
        ("found", str(conversation.pk), "ticket 7", {"search": first.sequence}),
    ]
    assert AuditEntry.objects.get(action="found").subject == conversation.owner.pseudonym


def test_one_that_finds_nothing_is_recorded_too(conversation: Conversation):
    page = search(auditor("view_conversation"), query="unicorn").content.decode()

    assert "0 conversations" in page
    assert entries() == [("search", "", "ticket 7", {"query": "unicorn"})]


def test_it_is_recorded_before_anything_is_read(conversation: Conversation, monkeypatch: pytest.MonkeyPatch):
    def dies(*_: object, **__: object) -> None:
        raise OSError("killed")

    monkeypatch.setattr("chat.admin.content_search.Search", dies)
    with pytest.raises(OSError, match="killed"):
        search(auditor("view_conversation"))

    assert [action for action, *_ in entries()] == ["search"]


def test_one_person_alone_may_be_searched(conversation: Conversation):
    other = ConversationFactory.create(title="zebra of somebody else")
    page = search(auditor("view_conversation"), owner="carol").content.decode()

    assert "crosses" in page
    assert str(other.pk) not in page
    assert AuditEntry.objects.get(action="search").subject == conversation.owner.pseudonym


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"reason": ""}, "Say what to search for, and why"),
        ({"query": "  "}, "Say what to search for, and why"),
        ({"owner": "nobody"}, "There is nobody of that name."),
    ],
)
def test_without_query_or_reason_nothing_is_searched(
    conversation: Conversation, form: dict[str, str], words: str
):
    page = search(auditor("view_conversation"), **form).content.decode()

    assert words in page
    assert "crosses" not in page
    assert entries() == []


def test_it_needs_the_permission_to_open_contents(conversation: Conversation):
    client = signed_in("view_conversation")

    assert "chat.audit_conversation" in client.get(PAGE).content.decode()
    assert search(client).status_code == 403
    assert search(auditor()).status_code == auditor().get(PAGE).status_code == 403
    assert search(signed_in("view_conversation", "audit_conversation", is_staff=False)).status_code == 302
    assert entries() == []


def test_an_address_searches_nothing(conversation: Conversation):
    page = auditor("view_conversation").get(f"{PAGE}?query=zebra&reason=ticket").content.decode()
    assert "crosses" not in page
    assert entries() == []


def test_words_that_were_found_are_text(conversation: Conversation):
    MessageFactory.create(conversation=conversation, text="zebra <script>alert(1)</script>")
    assert "<script>alert" not in search(auditor("view_conversation")).content.decode()
