"""Results of tools under rules: what is stored, shown to people and given back to the model."""

import json

import pytest

from chat.actions import invocations
from chat.engine import tool_work
from chat.engine.moderated_results import judged_note
from chat.models import ModerationHit, ModerationRule, ToolInvocation
from chat.models.tools import tell_nobody
from chat.webhooks.tool_answers import apply
from chat.webhooks.tool_protocol import Progress, Succeeded
from tests.factories import RunFactory, ToolInvocationFactory, WebhookToolFactory
from tools.runner import ToolOutcome

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def addresses(db):
    return ModerationRule.objects.create(
        name="addresses", kind="email", longest_match=345, action="mask", on_tool_results=True
    )


def running(**columns):
    return ToolInvocationFactory.create(
        run=RunFactory.create(status="running"), status="running", waits_for="", epoch=1, **columns
    )


def test_a_local_result_is_masked_before_it_is_stored():
    row = running()
    outcome = ToolOutcome("succeeded", "to bob@example.org", "to bob@example.org")
    assert tool_work.record(row, 1, outcome, 0, tell_nobody) == "succeeded"
    assert ToolInvocation.objects.get(pk=row.pk).result == "to [e-mail]"
    hit = ModerationHit.objects.get()
    assert (hit.where, hit.part, hit.run_id, hit.position) == ("tool_result", "result", row.run_id, 3)


def test_what_the_model_is_given_is_shortened_anew():
    row = running()
    whole = "x" * 200 + " bob@example.org"
    shown = whole[:205]
    tool_work.record(row, 1, ToolOutcome("succeeded", shown, whole), 0, tell_nobody)
    now = ToolInvocation.objects.get(pk=row.pk)
    assert "bob" not in now.result + now.for_model


def test_a_result_that_is_blocked_is_withheld_and_has_failed(addresses):
    ModerationRule.objects.filter(pk=addresses.pk).update(action="block")
    row = running()
    tool_work.record(row, 1, ToolOutcome("succeeded", "bob@example.org", "bob@example.org"), 0, tell_nobody)
    now = ToolInvocation.objects.get(pk=row.pk)
    assert now.status == "failed"
    assert "addresses" in now.result
    assert "bob" not in now.result


def test_a_webhook_tools_result_and_progress_are_masked():
    tool = WebhookToolFactory.create()
    row = running(kind="webhook", webhook_tool=tool, attempts=1)
    apply(row, Progress(0.5, "asking bob@example.org"), tell=tell_nobody, told=lambda parked: None)
    assert ToolInvocation.objects.get(pk=row.pk).note == "asking [e-mail]"
    apply(row, Succeeded({"to": "bob@example.org"}), tell=tell_nobody, told=lambda parked: None)
    assert json.loads(ToolInvocation.objects.get(pk=row.pk).result) == {"to": "[e-mail]"}
    assert ModerationHit.objects.filter(part="result").count() == 1


def test_a_callers_own_result_is_masked_and_the_same_answer_is_given_once(office):
    run = RunFactory.create(status="waiting")
    row = ToolInvocationFactory.create(
        run=run, user=run.user, kind="client", status="waiting", waits_for="client"
    )
    for _ in range(2):
        invocations.answer(run.user, row.pk, office, result="bob@example.org")
    assert ToolInvocation.objects.get(pk=row.pk).result == "[e-mail]"
    assert ModerationHit.objects.count() == 1


def test_a_note_of_progress_is_masked():
    assert judged_note(running(), "mail bob@example.org") == "mail [e-mail]"
