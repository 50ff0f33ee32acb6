"""A tool's result is recorded once, also where nobody heard that it was."""

import pytest
from django.db import OperationalError, connection

from chat.engine.tool_work import record
from chat.models import LateResult, ToolInvocation
from chat.models.tools import tell_nobody
from tests.factories import ToolInvocationFactory
from tools.runner import ToolOutcome

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_columns]


@pytest.fixture
def running():
    return ToolInvocationFactory.create(status="running", waits_for="", epoch=3, attempts=1)


@pytest.fixture
def breaking_line(monkeypatch):
    """It breaks when the next change was committed, before anybody is told so."""
    commit, broken = connection.commit, []

    def commits_and_breaks():
        commit()
        if not broken:
            broken.append(True)
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(connection, "commit", commits_and_breaks)
    return broken


def test_one_whose_line_broke_at_the_commit_is_no_late_result(running: ToolInvocation, breaking_line: list):
    outcome = ToolOutcome("succeeded", "42", "42")
    assert record(running, 3, outcome, 0, tell_nobody) == "succeeded"
    assert breaking_line
    running.refresh_from_db()
    assert (running.status, running.result) == ("succeeded", "42")
    assert LateResult.objects.count() == 0


def test_one_that_somebody_else_has_recorded_is_kept_as_late(running: ToolInvocation):
    ToolInvocation.objects.update(status="timed_out", result="42")
    assert record(running, 3, ToolOutcome("succeeded", "42", "42"), 0, tell_nobody) == ""
    assert LateResult.objects.get().result == "42"


@pytest.mark.parametrize(("more", "status"), [(0, "succeeded"), (1, "failed")])
def test_a_megabyte_is_taken_from_whoever_brings_it(running: ToolInvocation, more: int, status: str):
    whole = "x" * (1_048_576 + more)
    assert record(running, 3, ToolOutcome("succeeded", "x", whole), 0, tell_nobody) == status
