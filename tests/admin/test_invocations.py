"""Tool invocations in the admin: by their figures; what was said only behind the gate."""

import uuid
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from chat.models import LateResult, ToolInvocation
from tests.admin.gates import WHY, auditor, give_reason, looks, signed_in
from tests.factories import RunFactory, ToolInvocationFactory, WebhookToolFactory

LIST = "/admin/chat/toolinvocation/"


@pytest.fixture
def invocation(db: None) -> ToolInvocation:
    run = RunFactory.create()
    row = ToolInvocation.objects.create(
        id=uuid.uuid4(),
        user=run.user,
        conversation=run.conversation,
        run=run,
        step=1,
        call_id="call_1",
        name="query_order",
        kind="local",
        arguments='{"order": "a private order"}',
        status="succeeded",
        result="<b>what came</b> of it",
        attempts=2,
        epoch=3,
        started_at=timezone.now(),
        finished_at=timezone.now(),
    )
    LateResult.objects.create(invocation=row, epoch=1, status="failed", result="an old worker's words")
    return row


def test_the_list_shows_figures_and_no_word_that_was_said(invocation: ToolInvocation):
    page = signed_in("view_toolinvocation").get(LIST).content.decode()
    assert "query_order" in page
    assert "0.00 s" in page
    assert "private order" not in page
    assert "what came" not in page


def test_the_list_is_filtered_by_tools_that_there_are_and_not_by_names_that_models_invent(
    invocation: ToolInvocation,
):
    WebhookToolFactory.create(name="ship")
    ToolInvocationFactory.create(name="invented_by_a_model", run=invocation.run, call_id="call_2")
    client = signed_in("view_toolinvocation")
    page = client.get(LIST).content.decode()
    assert "?name=query_order" in page
    assert "?name=ship" in page
    assert "?name=invented_by_a_model" not in page
    assert listed(client.get(f"{LIST}?name=query_order")) == ["query_order"]


def test_the_search_finds_whatever_name_was_asked_for(invocation: ToolInvocation):
    ToolInvocationFactory.create(name="invented_by_a_model", run=invocation.run, call_id="call_2")
    client = signed_in("view_toolinvocation")
    assert listed(client.get(f"{LIST}?q=invented_by_a_model")) == ["invented_by_a_model"]


def listed(answer: Any) -> list[str]:
    return [row.name for row in answer.context["cl"].result_list]


def test_its_page_shows_what_was_said_and_what_came_too_late_and_the_look_is_recorded(
    invocation: ToolInvocation,
):
    client = auditor("view_toolinvocation")
    give_reason(client, "tool_invocation", invocation.pk)
    page = client.get(change(invocation)).content.decode()
    assert "a private order" in page
    assert "&lt;b&gt;what came&lt;/b&gt; of it" in page
    assert "an old worker&#x27;s words" in page
    assert looks() == [("look", "tool_invocation", WHY)]


def test_without_a_reason_its_page_shows_figures_alone(invocation: ToolInvocation):
    invocation.note, invocation.reason = "half of what came", "it was what came"
    invocation.save()
    page = auditor("view_toolinvocation").get(change(invocation)).content.decode()
    assert "query_order" in page
    assert "private order" not in page
    assert "what came" not in page
    assert "old worker" not in page


def test_nobody_without_the_permission_sees_it(invocation: ToolInvocation):
    client = signed_in("view_run", "view_modelcall")
    assert client.get(LIST).status_code == client.get(change(invocation)).status_code == 403


def test_nobody_can_change_it(invocation: ToolInvocation):
    client = signed_in("view_toolinvocation", "change_toolinvocation", "delete_toolinvocation")
    assert client.post(change(invocation), {"status": "failed"}).status_code == 403
    assert client.post(reverse("admin:chat_toolinvocation_delete", args=[invocation.pk])).status_code == 403


def change(invocation: ToolInvocation) -> str:
    return reverse("admin:chat_toolinvocation_change", args=[invocation.pk])
