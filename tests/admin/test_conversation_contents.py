"""What was said in a conversation, in the admin: all of it, safely, and only behind the gate."""

import pytest
from django.test import Client

from chat.models import AuditEntry, Conversation, Message
from tests.admin.gates import WHY, auditor, give_reason, looks
from tests.factories import ConversationFactory, MessageFactory, RunFactory, ToolInvocationFactory


@pytest.fixture
def conversation(db: None) -> Conversation:
    conversation: Conversation = ConversationFactory.create(
        title="A private title", options={"system": "a private system prompt"}
    )
    asked = MessageFactory.create(conversation=conversation, text="a question <b>bold</b>")
    for text in ("the first answer", "another answer"):
        answer = MessageFactory.create(
            conversation=conversation,
            parent=asked,
            role=Message.Role.ASSISTANT,
            parts=[{"type": "reasoning", "text": "private thoughts"}, {"type": "text", "text": text}],
            model="lab/one",
        )
    run = RunFactory.create(conversation=conversation, message=answer)
    ToolInvocationFactory.create(
        run=run, arguments='{"a": "private arguments"}', result="a private result", status="succeeded"
    )
    return conversation


@pytest.fixture
def ann(conversation: Conversation) -> Client:
    client = auditor("view_conversation")
    give_reason(client, "conversation", conversation.pk)
    return client


def shown(client: Client, conversation: Conversation, query: str = "") -> str:
    answer = client.get(f"/admin/chat/conversation/{conversation.pk}/change/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_all_branches_are_there_with_reasoning_and_tools(ann: Client, conversation: Conversation):
    page = shown(ann, conversation)

    for words in (
        "A private title", "a private system prompt", "a question", "the first answer", "another answer",
        "alternative 2 of 2", "follows message 1", "private thoughts", "private arguments", "a private result",
        "lab/one",
    ):  # fmt: skip
        assert words in page
    assert looks() == [("look", "conversation", WHY)]


def test_it_leads_to_its_runs_and_tool_calls(ann: Client, conversation: Conversation):
    page = shown(ann, conversation)
    run = conversation.runs.get()

    assert f"/admin/chat/run/{run.pk}/change/" in page
    assert f"/admin/chat/toolinvocation/{run.invocations.get().pk}/change/" in page


def test_markup_is_text(ann: Client, conversation: Conversation):
    page = shown(ann, conversation)
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert " style=" not in page


def test_closed_it_has_figures_alone(conversation: Conversation):
    page = shown(auditor("view_conversation"), conversation)

    assert conversation.owner.username in page
    assert "rivate" not in page
    assert "answer" not in page.replace("wrong figure in the answer", "")


def test_each_page_of_a_long_one_is_a_look(ann: Client, conversation: Conversation):
    tip = Message.objects.filter(conversation=conversation).last()
    for number in range(60):
        tip = MessageFactory.create(conversation=conversation, parent=tip, text=f"said number {number}.")
    first, second = shown(ann, conversation), shown(ann, conversation, "?page=2")

    assert ("number 0." in first, "number 59." in first) == (True, False)
    assert ("number 0." in second, "number 59." in second) == (False, True)
    details = list(AuditEntry.objects.filter(action="look").order_by("pk").values_list("details", flat=True))
    assert details == [{}, {"page": "2"}]
    assert "number 59." in shown(ann, conversation, "?page=999")


def test_it_asks_as_often_however_long_it_is(
    ann: Client, conversation: Conversation, django_assert_max_num_queries
):
    for _ in range(30):
        RunFactory.create(conversation=conversation)
    with django_assert_max_num_queries(20):
        shown(ann, conversation)
