"""Deciding about tool invocations and answering them over REST."""

import json
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from chat.models import Run, ToolInvocation
from tests.factories import ToolInvocationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(run):
    return ToolInvocationFactory.create(run=run)


@pytest.fixture
def brought(run):
    return ToolInvocationFactory.create(run=run, name="open_door", kind="client", waits_for="client")


def post(client, invocation, what, **body):
    path = f"/api/v1/invocations/{invocation.pk}/{what}"
    return client.post(path, json.dumps(body), content_type="application/json")


def now(invocation):
    return ToolInvocation.objects.get(pk=invocation.pk)


def test_an_invocation_is_read_as_it_stands(signed_in, asked, run):
    body = signed_in.get(f"/api/v1/invocations/{asked.pk}").json()
    assert (body["id"], body["run"], body["conversation"]) == (
        str(asked.pk),
        str(run.pk),
        str(run.conversation_id),
    )
    assert (body["status"], body["waits_for"], body["name"]) == ("waiting", "approval", "calculate")
    assert (body["arguments"], body["edited_arguments"]) == ({"expression": "6*7"}, None)


def test_an_approval_frees_the_run_and_every_tab_hears_of_it(
    signed_in, alice, asked, run, office, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        reply = post(signed_in, asked, "decision", decision="approve", reason="fine")
    assert (reply.status_code, reply.json()["status"]) == (200, "pending")
    row = now(asked)
    assert (row.decision, row.reason, row.decided_by) == ("approve", "fine", alice)
    assert (row.waits_for, row.deadline_at) == ("", None)
    assert (Run.objects.get(pk=run.pk).status, Run.objects.get(pk=run.pk).node) == ("queued", None)
    assert (office.woken_runs, office.changed) == ([run.pk], [])
    assert [(user, name) for user, name, _ in office.notices] == [(alice.pk, "invocation.decided")]
    assert office.notices[0][2]["decision"] == "approve"


def test_a_run_that_is_being_made_is_told_to_look(
    signed_in, asked, run, office, django_capture_on_commit_callbacks
):
    Run.objects.filter(pk=run.pk).update(status="running")
    with django_capture_on_commit_callbacks(execute=True):
        post(signed_in, asked, "decision", decision="approve")
    assert Run.objects.get(pk=run.pk).status == "running"
    assert (office.woken_runs, office.changed) == ([], [str(run.pk)])


def test_the_same_decision_again_changes_nothing_and_another_one_is_refused(signed_in, asked, office):
    first = post(signed_in, asked, "decision", decision="reject", reason="no")
    again = post(signed_in, asked, "decision", decision="reject")
    other = post(signed_in, asked, "decision", decision="approve")
    assert (first.status_code, again.json()) == (200, first.json())
    assert (other.status_code, other.json()["code"]) == (409, "already_decided")
    assert "reject" in other.json()["title"]
    assert now(asked).status == "rejected"


def test_edited_arguments_are_kept_beside_the_models(signed_in, asked, office):
    body = post(signed_in, asked, "decision", decision="approve", arguments={"expression": "1+1"}).json()
    assert (body["arguments"], body["edited_arguments"]) == ({"expression": "6*7"}, {"expression": "1+1"})
    assert json.loads(now(asked).effective_arguments) == {"expression": "1+1"}


def test_arguments_as_they_were_are_not_edited(signed_in, asked, office):
    post(signed_in, asked, "decision", decision="approve", arguments={"expression": "6*7"})
    assert now(asked).edited_arguments == ""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"decision": "perhaps"}, 400),
        ({"decision": "approve", "colour": "red"}, 400),
        ({"decision": "approve", "arguments": []}, 400),
        ({"decision": "approve", "arguments": {"expresion": "1"}}, 400),
        ({"decision": "reject", "arguments": {"expression": "1"}}, 400),
        ({"decision": "approve", "arguments": {"expression": "1" * 70_000}}, 413),
        ({"decision": "approve", "reason": "x" * 1001}, 400),
    ],
)
def test_what_makes_no_sense_is_refused_and_decides_nothing(signed_in, asked, office, body, status):
    reply = post(signed_in, asked, "decision", **body)
    assert (reply.status_code, reply.headers["Content-Type"]) == (status, "application/problem+json")
    assert (now(asked).status, now(asked).decision) == ("waiting", "")


def test_a_decision_that_comes_too_late_is_refused_though_nobody_has_cleared_up_yet(signed_in, asked, office):
    ToolInvocation.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    reply = post(signed_in, asked, "decision", decision="approve")
    assert (reply.status_code, reply.json()["code"]) == (409, "already_decided")
    assert "too late" in reply.json()["title"]


@pytest.mark.parametrize("status", ["pending", "running", "succeeded", "cancelled"])
def test_what_does_not_wait_cannot_be_decided(signed_in, asked, office, status):
    ToolInvocation.objects.update(status=status, waits_for="")
    assert post(signed_in, asked, "decision", decision="approve").status_code == 409
    assert now(asked).status == status


def test_a_result_is_given_once_as_a_text_or_as_json(signed_in, brought, run, office):
    reply = post(signed_in, brought, "result", result={"open": True})
    assert (reply.status_code, reply.json()["status"], reply.json()["result"]) == (
        200,
        "succeeded",
        '{"open":true}',
    )
    assert Run.objects.get(pk=run.pk).status == "queued"
    assert post(signed_in, brought, "result", result={"open": True}).status_code == 200
    assert post(signed_in, brought, "result", result="shut").status_code == 409


def test_null_is_a_result_too(signed_in, brought, office):
    assert post(signed_in, brought, "result", result=None).json()["result"] == "null"


@pytest.mark.parametrize("body", [{}, {"result": 1, "error": "no"}, {"error": None}, {"error": 5}])
def test_an_answer_is_a_result_or_an_error(signed_in, brought, office, body):
    assert post(signed_in, brought, "result", **body).status_code == 400
    assert now(brought).status == "waiting"


def test_what_waits_for_approval_takes_no_result_and_what_waits_for_its_caller_no_approval(
    signed_in, asked, brought, office
):
    assert post(signed_in, asked, "result", result="made up").status_code == 409
    assert post(signed_in, brought, "decision", decision="approve").status_code == 409
    assert (now(asked).status, now(brought).status) == ("waiting", "waiting")


def test_somebody_elses_invocation_looks_like_none(client, mallory, ada, asked, brought, office):
    absent = ToolInvocation(pk=uuid.uuid4())
    for stranger in (mallory, ada):
        client.force_login(stranger)
        assert client.get(f"/api/v1/invocations/{asked.pk}").status_code == 404
        refused = post(client, asked, "decision", decision="approve")
        assert refused.status_code == 404
        assert refused.json() == post(client, absent, "decision", decision="approve").json()
        assert post(client, brought, "result", result="x").status_code == 404
    assert (now(asked).status, now(brought).status) == ("waiting", "waiting")
    assert (office.woken_runs, office.notices) == ([], [])


def test_nobody_is_answered_without_signing_in_or_without_the_csrf_token(client, alice, asked, office):
    assert client.get(f"/api/v1/invocations/{asked.pk}").status_code == 401
    assert post(client, asked, "decision", decision="approve").status_code == 401
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert post(strict, asked, "decision", decision="approve").status_code == 403
    assert now(asked).status == "waiting"
