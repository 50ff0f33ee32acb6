"""What a worker makes of the answers of a webhook tool's server. Its run and its callbacks are in tests/engine."""

import json

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from chat.models import ToolDelivery, ToolInvocation
from chat.webhooks.tool_calls import ToolCaller
from chat.webhooks.tool_protocol import Reply
from tests.factories import ToolInvocationFactory, WebhookToolFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_columns]


def calls(reply: Reply) -> ToolCaller:
    """A caller whose server answers so."""
    return ToolCaller(
        lambda _tool, _message, _body: reply,
        seconds=5,
        approval_seconds=60,
        callback_url=lambda key: f"https://chat.example.org/{key}",
        tell=lambda _keys: None,
        now=timezone.now,
    )


def asked(arguments: str = '{"to": "Ada"}', **tool: object) -> ToolInvocation:
    return ToolInvocationFactory.create(
        kind="webhook",
        status="pending",
        waits_for="",
        arguments=arguments,
        webhook_tool=WebhookToolFactory.create(**tool),
    )


def call(invocation: ToolInvocation, reply: Reply) -> ToolInvocation:
    calls(reply).call(invocation.pk, node=None, told=lambda _run: None)
    return ToolInvocation.objects.get(pk=invocation.pk)


def said(**answer: object) -> Reply:
    return Reply(200, body=json.dumps(answer))


def test_of_a_long_error_the_model_is_given_as_much_as_of_a_result():
    row = call(asked(max_result_bytes=1000), said(error="no " * 1000))
    assert (row.status, row.result) == ("failed", "no " * 1000)
    assert len(row.for_model.encode()) <= 1000
    assert row.for_model.endswith("[shortened to 920 of 3000 bytes]")


def test_numbers_beyond_all_bounds_are_told_to_the_model():
    schema = {"type": "object", "properties": {"weight": {"multipleOf": 0.1}}}
    row = call(asked('{"weight": ' + "1" * 400 + "}", parameters=schema), said(result="sent"))
    assert row.status == "failed"
    assert "were not accepted, and nothing was run" in row.result
    assert ToolDelivery.objects.count() == 0


def test_a_line_that_breaks_when_a_call_is_noted_costs_no_answer(monkeypatch):
    invocation = asked()
    commit, broken = connection.commit, []

    def commits_and_breaks():
        commit()
        if not broken and ToolDelivery.objects.exists():
            broken.append(True)
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(connection, "commit", commits_and_breaks)
    row = call(invocation, said(result="sent"))
    assert broken
    assert (row.status, row.result) == ("succeeded", "sent")
    assert ToolDelivery.objects.filter(invocation=invocation).count() == 1
