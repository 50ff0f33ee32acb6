"""What users' systems are told of tool calls with the end of a step, and of a run."""

from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.engine import recorder
from chat.events.fold import StepState
from chat.models import Run, ToolInvocation, User
from chat.models.tools import tell_nobody
from chat.usage.known_quotas import KNOWN
from chat.wiring.webhooks import tell_end, tell_invocations
from tests.engine.hearing import CLIENT, ENDED, PENDING, ending, outline, run_of, told
from tests.factories import ToolInvocationFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(alice: User) -> Run:
    return run_of(alice)


@pytest.fixture
def listening(alice: User) -> Any:
    return WebhookEndpointFactory.create(owner=alice)


def step_of(run: Run, *more: dict[str, Any]) -> recorder.StepEnding:
    rows = [
        ToolInvocationFactory.build(run=run, user=run.user, conversation=run.conversation, **one)
        for one in more
    ]
    return recorder.StepEnding(
        run=str(run.pk),
        epoch=1,
        message=str(run.message_id),
        last_seq=9,
        steps=[StepState(1, True, [])],
        calls=[],
        invocations=rows,
    )


BORN: list[dict[str, Any]] = [
    PENDING,
    {},
    CLIENT,
    {"status": "failed", "waits_for": "", "finished_at": timezone.now()},
]


def test_what_waits_or_has_ended_from_the_beginning_is_told_with_the_step(run: Run, listening: Any):
    recorder.save_step(step_of(run, *BORN), tell=tell_invocations)

    assert sorted(outline()) == [
        (ENDED, "failed"),
        ("invocation.waiting", "approval"),
        ("invocation.waiting", "client"),
    ]


def test_a_step_that_is_written_twice_is_told_once(run: Run, listening: Any):
    """The line broke at the commit, and nobody knew whether it had been written."""
    step = step_of(run, *BORN)
    recorder.save_step(step, tell=tell_invocations)
    recorder.save_step(step, tell=tell_invocations)

    assert len(told()) == 3
    assert ToolInvocation.objects.count() == 4


def test_a_step_of_which_nothing_is_there_does_not_count_as_written(run: Run, listening: Any):
    """A call whose key is taken by another one is a mistake of ours, and not passed over."""
    step = step_of(run, {"call_id": "same"}, {"call_id": "same"})
    with pytest.raises(IntegrityError):
        recorder.save_step(step, tell=tell_invocations)

    assert (ToolInvocation.objects.count(), told()) == (0, [])


def test_an_end_that_is_written_twice_is_told_once(run: Run, listening: Any):
    row = ToolInvocationFactory.create(run=run)
    call = {"type": "tool_call", "invocation": str(row.pk), "name": row.name, "arguments": {}}
    for _ in range(2):
        recorder.save_ending(
            ending(row, [StepState(1, True, [call])]), tell=tell_end, tell_invocations=tell_invocations
        )

    assert sorted(outline()) == [(ENDED, "cancelled"), ("run.finished", "completed")]


def test_many_at_once_cost_a_user_without_endpoints_one_look_as_well(alice: User):
    steps = [step_of(run_of(alice), *BORN) for _ in range(2)]
    KNOWN.any()  # asked once a second
    with CaptureQueriesContext(connection) as captured:
        recorder.save_step(steps[0], tell=tell_invocations)
    with CaptureQueriesContext(connection) as untold:
        recorder.save_step(steps[1], tell=tell_nobody)

    assert len(captured) == len(untold) + 1


def test_a_step_whose_tools_can_all_be_run_at_once_costs_nothing(run: Run, listening: Any):
    with CaptureQueriesContext(connection) as captured:
        recorder.save_step(step_of(run, PENDING, PENDING), tell=tell_invocations)

    assert [query for query in captured if "chat_webhook" in query["sql"]] == []
