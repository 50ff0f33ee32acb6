"""What users' systems are told of tool calls: each wait and each end once, with the change itself or not at all."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat.actions.invocations import answer, decide
from chat.engine import invocations, recorder, rescue
from chat.engine.rules_in_force import rules_in_force
from chat.engine.tool_work import work
from chat.events.fold import StepState
from chat.exceptions import AlreadyDecided, Internal
from chat.models import LateResult, Run, ToolInvocation, User, WebhookDelivery
from chat.models.tools import TellInvocations, tell_nobody
from chat.usage.known_quotas import KNOWN
from chat.wiring.attachments import files_of
from chat.wiring.webhooks import tell_invocations
from tests.engine.hearing import CLIENT, ENDED, LATE, PENDING, RUNNING, Office, ending, outline, run_of, told
from tests.factories import ToolInvocationFactory, WebhookEndpointFactory
from tests.webhooks.carrying import at_once
from tools.overrides import in_force

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(alice: User) -> Run:
    return run_of(alice)


@pytest.fixture
def listening(alice: User) -> Any:
    return WebhookEndpointFactory.create(owner=alice)


# --- the ways in which a row changes ------------------------------------------------------------------


def records_a_result(row: ToolInvocation, tell: TellInvocations) -> object:
    return work(row.pk, node=None, told=lambda _: None, tell=tell, files_of=files_of)


def parks_for_a_callback(row: ToolInvocation, tell: TellInvocations) -> object:
    return ToolInvocation.objects.wait(row.pk, epoch=1, waits_for="callback", seconds=60, tell=tell)


def wants_a_person(row: ToolInvocation, tell: TellInvocations) -> object:
    return ToolInvocation.objects.hold(row.pk, seconds=60, tell=tell)


def calls_back(row: ToolInvocation, tell: TellInvocations) -> object:
    return ToolInvocation.objects.answer_call(row.pk, status="succeeded", result="1", tell=tell)


def rejects(row: ToolInvocation, tell: TellInvocations) -> object:
    return decide(row.user, row.pk, "reject", Office(tell))


def answers(row: ToolInvocation, tell: TellInvocations, **said: Any) -> object:
    return answer(row.user, row.pk, Office(tell), **said)


def gives_up(row: ToolInvocation, tell: TellInvocations) -> object:
    invocations.give_up_late([str(row.pk)], tell=tell)
    return None


def wakes(row: ToolInvocation, tell: TellInvocations) -> object:
    return invocations._wake_late(row.run_id, tell)  # `wake_late` goes on to the next, whatever it raises


def finds_the_worker_dead(row: ToolInvocation, tell: TellInvocations) -> object:
    seen = [one for one in invocations.look(str(row.run_id), row.step) if one.id == str(row.pk)]
    invocations.take_from_the_dead([one for one in seen if not one.ended], set(), tell=tell)
    return None


def cancels(row: ToolInvocation, tell: TellInvocations) -> object:
    return invocations.cancel([str(row.pk)], tell=tell)


def ends_the_run(row: ToolInvocation, tell: TellInvocations) -> object:
    call = {"type": "tool_call", "invocation": str(row.pk), "name": row.name, "arguments": {}}
    recorder.save_ending(ending(row, [StepState(1, True, [call])]), tell_invocations=tell)
    return None


def fails_the_run(row: ToolInvocation, tell: TellInvocations) -> object:
    return rescue._fail(row.run, Internal(), rescue.Tell(None, tell))


class Change(NamedTuple):
    before: dict[str, Any]
    make: Callable[[ToolInvocation, TellInvocations], object]
    event: str
    said: str


CHANGES = {
    "a worker has the result": Change(PENDING, records_a_result, ENDED, "succeeded"),
    "the tool fails": Change(PENDING | {"arguments": "{}"}, records_a_result, ENDED, "failed"),
    "the worker hands it to somebody outside": Change(
        RUNNING, parks_for_a_callback, "invocation.waiting", "callback"
    ),
    "staff want a person to agree": Change(PENDING, wants_a_person, "invocation.waiting", "approval"),
    "its server calls back": Change(
        {"kind": "webhook", "waits_for": "callback"}, calls_back, ENDED, "succeeded"
    ),
    "its server calls back before it is parked": Change(
        RUNNING | {"kind": "webhook"}, calls_back, ENDED, "succeeded"
    ),
    "a person rejects it": Change({}, rejects, ENDED, "rejected"),
    "the caller answers": Change(CLIENT, partial(answers, result=1), ENDED, "succeeded"),
    "the caller cannot": Change(CLIENT, partial(answers, error="It is stuck."), ENDED, "failed"),
    "its time is over": Change(RUNNING | LATE, gives_up, ENDED, "timed_out"),
    "nobody answers while its run is parked": Change(LATE, wakes, ENDED, "timed_out"),
    "its worker dies": Change(RUNNING, finds_the_worker_dead, ENDED, "unknown"),
    "somebody presses stop": Change(RUNNING, cancels, ENDED, "cancelled"),
    "its run ends without it": Change({}, ends_the_run, ENDED, "cancelled"),
    "its run cannot go on": Change({}, fails_the_run, ENDED, "cancelled"),
}
each_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


@each_change
def test_it_is_told_once_with_what_the_row_says(change: Change, run: Run, listening: Any):
    row = ToolInvocationFactory.create(run=run, **change.before)
    change.make(row, tell_invocations)

    now = ToolInvocation.objects.get(pk=row.pk)
    (payload,) = told()
    assert outline() == [(change.event, change.said)]
    assert (payload["call_id"], payload["run"]) == (str(row.pk), str(run.pk))
    assert payload["function"] == "calculate"
    assert (now.status, now.waits_for) == (
        ("waiting", change.said) if change.event != ENDED else (change.said, now.waits_for)
    )
    if now.ended:
        assert (payload["result"], payload["result_truncated"]) == (now.result, False)
        assert payload["timestamp"][:19] == f"{now.finished_at:%Y-%m-%dT%H:%M:%S}"


@each_change
def test_who_comes_second_tells_nothing(change: Change, run: Run, listening: Any):
    row = ToolInvocationFactory.create(run=run, **change.before)
    change.make(row, tell_invocations)
    row.refresh_from_db()
    with suppress(AlreadyDecided):
        change.make(row, tell_invocations)

    assert outline() == [(change.event, change.said)]


@each_change
def test_the_change_and_what_is_told_of_it_are_one(change: Change, run: Run, listening: Any):
    row = ToolInvocationFactory.create(run=run, **change.before)

    def fail(keys: Any) -> None:
        tell_invocations(keys)
        assert outline() == [(change.event, change.said)]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        change.make(row, fail)

    now = ToolInvocation.objects.get(pk=row.pk)
    assert (now.ended, now.waits_for, told()) == (False, row.waits_for, [])


@each_change
def test_without_endpoints_it_costs_one_look_into_indexes(change: Change, alice: User):
    in_force()  # kept for a second from now on
    rules_in_force().for_user(alice.pk)  # likewise
    KNOWN.any()  # likewise
    first = ToolInvocationFactory.create(run=run_of(alice), **change.before)
    with CaptureQueriesContext(connection) as captured:
        change.make(first, tell_invocations)
    second = ToolInvocationFactory.create(run=run_of(alice), **change.before)
    with CaptureQueriesContext(connection) as untold:
        change.make(second, tell_nobody)

    assert len(asked(captured)) == len(asked(untold)) + 1
    (look,) = [query["sql"] for query in captured if "chat_webhook" in query["sql"]]
    assert look.startswith("SELECT")
    assert "chat_webhookendpoint_owner_id" in plan_of(look)
    assert "SCAN chat_" not in plan_of(look)


def asked(captured: CaptureQueriesContext) -> list[str]:
    """Without what staff have set for tools, and the quotas, which are read anew now and then."""
    return [
        query["sql"]
        for query in captured
        if '"tools_' not in query["sql"] and 'FROM "chat_quota" ' not in query["sql"]
    ]


def plan_of(statement: str) -> str:
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A table of no rows is read whole, index or not.
            cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"{explain} {statement}")
        return str(cursor.fetchall())


@pytest.mark.parametrize("make", [cancels, gives_up, wakes, finds_the_worker_dead])
def test_where_nothing_changes_nobody_is_looked_for(make: Any, run: Run, listening: Any):
    row = ToolInvocationFactory.create(run=run, status="succeeded", waits_for="")
    with CaptureQueriesContext(connection) as captured:
        make(row, tell_invocations)

    assert [query for query in captured if "chat_webhook" in query["sql"]] == []
    assert told() == []


# --- who is told ---------------------------------------------------------------------------------------


def test_nobody_else_is_told(run: Run, mallory: User):
    WebhookEndpointFactory.create(owner=mallory)
    cancels(ToolInvocationFactory.create(run=run), tell_invocations)

    assert told() == []


def test_each_endpoint_that_wants_it_is(run: Run, alice: User):
    WebhookEndpointFactory.create(owner=alice, events=["invocation.waiting", "run.finished"])
    WebhookEndpointFactory.create(owner=alice, enabled=False)
    wanting = [WebhookEndpointFactory.create(owner=alice, events=[ENDED]) for _ in range(2)]
    cancels(ToolInvocationFactory.create(run=run), tell_invocations)

    assert {row.endpoint for row in WebhookDelivery.objects.all()} == set(wanting)
    assert len(told()) == 2


def test_several_that_end_at_once_are_told_each_for_itself(run: Run, listening: Any):
    rows = [ToolInvocationFactory.create(run=run) for _ in range(3)]
    done = ToolInvocationFactory.create(run=run, status="succeeded", waits_for="")
    assert invocations.cancel([str(row.pk) for row in (*rows, done)], tell=tell_invocations) == 3

    assert sorted(one["call_id"] for one in told()) == sorted(str(row.pk) for row in rows)


# --- what is told --------------------------------------------------------------------------------------


def test_arguments_are_told_as_they_were_decided(run: Run, listening: Any):
    row = ToolInvocationFactory.create(run=run)
    decide(row.user, row.pk, "approve", Office(tell_invocations), arguments={"expression": "1+1"})
    assert told() == []  # it neither waits nor has it ended
    epoch = ToolInvocation.objects.claim(row.pk, node=None, birth="")
    assert epoch is not None
    ToolInvocation.objects.wait(row.pk, epoch=epoch, waits_for="callback", seconds=9, tell=tell_invocations)

    (payload,) = told()
    assert payload["arguments"] == {"expression": "1+1"}
    assert (payload["event"], payload["for"]) == ("invocation.waiting", "callback")


def test_a_long_result_is_shortened_and_says_so(run: Run, listening: Any):
    row = ToolInvocationFactory.create(run=run, **CLIENT)
    answers(row, tell_invocations, result="x" * 200_000)

    (payload,) = told()
    assert payload["result_truncated"]
    assert 65_000 < len(payload["result"]) <= 65_536
    assert len(ToolInvocation.objects.get(pk=row.pk).result) == 200_000


@pytest.mark.parametrize(
    "arguments", ["[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, '{"a": "\\ud800"}', ""]
)
def test_whatever_a_model_wrote_it_can_be_told(arguments: str, run: Run, listening: Any):
    row = ToolInvocationFactory.create(run=run, arguments=arguments, **RUNNING)
    parks_for_a_callback(row, tell_invocations)

    assert [one["call_id"] for one in told()] == [str(row.pk)]


# --- who comes too late --------------------------------------------------------------------------------


def test_a_late_result_is_kept_and_told_to_nobody(run: Run, listening: Any):
    row = ToolInvocationFactory.create(run=run, **PENDING)

    def stopped_meanwhile(_run: str) -> None:
        invocations.cancel([str(row.pk)], tell=tell_invocations)

    assert work(row.pk, node=None, told=stopped_meanwhile, tell=tell_invocations, files_of=files_of) == ""

    assert outline() == [(ENDED, "cancelled")]
    assert [late.result for late in LateResult.objects.all()] == ["42"]


def test_of_many_who_end_it_at_the_same_moment_one_tells(run: Run, listening: Any):
    row = ToolInvocationFactory.create(run=run, **RUNNING)
    deeds = [
        lambda: cancels(row, tell_invocations),
        lambda: finds_the_worker_dead(row, tell_invocations),
        lambda: parks_for_a_callback(row, tell_invocations),
        lambda: ToolInvocation.objects.finish(
            row.pk, epoch=1, status="succeeded", result="1", tell=tell_invocations
        ),
    ]  # fmt: skip

    def do() -> list[Any]:
        return [deeds.pop()()]

    at_once(4, do)

    now = ToolInvocation.objects.get(pk=row.pk)
    ends = [said for event, said in outline() if event == ENDED]
    waits = [said for event, said in outline() if event != ENDED]
    assert ends == [now.status] * now.ended
    assert len(waits) <= 1
    assert len(ends) + len(waits) >= 1
