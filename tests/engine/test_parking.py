"""Runs that wait for a person: parked, decided about, taken up again by whoever is there."""

import asyncio
import json
import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now

import chat.tasks  # noqa: F401  (what is sent has to be registered in this process)
from chat import wiring
from chat.actions.conversations import delete_conversation
from chat.actions.invocations import decide
from chat.actions.runs import stop_run
from chat.engine import offered_tools
from chat.engine.tool_work import work
from chat.exceptions import AlreadyDecided
from chat.models import ModelCall, Run, ToolInvocation
from chat.websocket.subscription import stored_entries
from chat.wiring.attachments import files_of
from tests.beside import locked
from tests.engine.orphans import Elsewhere
from tests.engine.tool_plays import asks_for, parked, plays
from tools.base import tool
from tools.discovery import installed
from tools.registry import Registry

pytestmark = pytest.mark.django_db(transaction=True)

sent: list[str] = []


@tool(needs_approval=True)
def send_mail(to: str) -> str:
    """Sends a mail.

    Args:
        to: its address.
    """
    sent.append(to)
    return f"sent to {to}"


@pytest.fixture(autouse=True)
def mail(monkeypatch):
    sent.clear()
    registry = Registry([*installed(), send_mail])
    monkeypatch.setattr(offered_tools, "installed", lambda: registry)


MAIL = ("send_mail", '{"to": "ada@example.com"}')
SUM = ("calculate", '{"expression": "6*7"}')


async def ask_for_mail(chat, upstream, *calls):
    plays(upstream, asks_for(*(calls or (MAIL,)), text="I shall write. "))
    started = await chat.ask("Write to Ada")
    await parked(chat, started.run)
    return started


async def waiting(chat, **more):
    return await chat.runtime.database(lambda: ToolInvocation.objects.get(name="send_mail", **more))


async def decided(chat, decision, *, office=None, **more):
    row = await waiting(chat)
    return await chat.runtime.database(
        lambda: decide(chat.user, row.pk, decision, office or chat.runtime, **more)
    )


async def test_a_tool_that_needs_approval_is_not_run_and_its_run_holds_nothing(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream)
    row, run = await waiting(chat), await chat.row(started.run)
    assert (row.status, row.waits_for, row.dispatched_at, sent) == ("waiting", "approval", None, [])
    assert row.deadline_at is not None
    assert (run.status, run.node_id, run.finished_at) == ("waiting", None, None)
    assert len(chat.runtime.supervisor) == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name() == f"run {started.run}"]
    assert chat.runtime.saver._runs == {}


async def test_nobody_takes_up_a_run_that_waits(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream)
    assert await chat.runtime.supervisor.rescue() == 0
    assert (await chat.row(started.run)).epoch == 1


async def test_tools_that_need_nobody_are_run_meanwhile(chat, upstream, worker):
    await ask_for_mail(chat, upstream, MAIL, SUM)
    rows = await chat.runtime.database(lambda: dict(ToolInvocation.objects.values_list("name", "status")))
    assert rows == {"send_mail": "waiting", "calculate": "succeeded"}


async def test_approved_it_is_run_and_the_answer_goes_on(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream)
    await decided(chat, "approve", reason="she asked for it")
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert sent == ["ada@example.com"]
    told = upstream.requests[1]["messages"]
    assert (told[-1]["role"], told[-1]["content"]) == ("tool", "sent to ada@example.com")
    parts = (await chat.answer(started)).parts
    assert [part["type"] for part in parts] == ["text", "tool_call", "tool_result", "text"]
    assert parts[1].keys() == {"type", "invocation", "name", "arguments"}
    row = await waiting(chat)
    assert (row.decision, row.reason, row.decided_by_id) == ("approve", "she asked for it", chat.user.pk)
    assert row.decided_at is not None


async def test_a_run_may_be_parked_as_often_as_it_likes(chat, upstream, worker, settings):
    """What has something about it that ends its makers is given up; what was waited for has not."""
    settings.LOOP_INVOCATIONS = 30
    mails = [("send_mail", f'{{"to": "{number}@example.com"}}') for number in range(25)]
    started = await ask_for_mail(chat, upstream, *mails)
    for place in range(25):
        row = await waiting(chat, position=place)
        await chat.runtime.database(decide, chat.user, row.pk, "reject", chat.runtime)
        if place < 24:
            await parked(chat, started.run)
    assert (await chat.events(started.run))[-1]["status"] == "completed"


async def test_each_model_call_is_billed_once_however_often_it_was_parked(chat, upstream, worker):
    other = ("send_mail", '{"to": "bob@example.com"}')
    started = await ask_for_mail(chat, upstream, MAIL, other)
    for place in (0, 1):
        row = await waiting(chat, position=place)
        await chat.runtime.database(decide, chat.user, row.pk, "approve", chat.runtime)
        if place == 0:
            await parked_again(chat, started.run, after="ada@example.com")
    end = (await chat.events(started.run))[-1]
    calls = await chat.calls()
    assert [(call.step, call.outcome) for call in calls] == [(1, "completed"), (2, "completed")]
    assert end["usage"]["input_tokens"] == sum(call.input_tokens for call in calls)
    assert sorted(sent) == ["ada@example.com", "bob@example.com"]


async def parked_again(chat, run, *, after):
    async with asyncio.timeout(20):
        while after not in sent:
            await asyncio.sleep(0.02)
    await parked(chat, run)


async def test_rejected_it_is_not_run_and_the_model_is_told_why(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream)
    await decided(chat, "reject", reason="not today")
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert sent == []
    assert [event["status"] for event in events if event["type"] == "tool.finished"] == ["rejected"]
    told = upstream.requests[1]["messages"][-1]["content"]
    assert "said no" in told
    assert "not today" in told


async def test_edited_arguments_reach_the_tool_and_the_model_is_told(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream)
    await decided(chat, "approve", arguments={"to": "bob@example.com"})
    events = await chat.events(started.run)
    assert sent == ["bob@example.com"]
    call, result = upstream.requests[1]["messages"][-2:]
    assert call["tool_calls"][0]["function"]["arguments"] == MAIL[1]
    assert "a person changed its arguments" in result["content"]
    assert '{"to":"bob@example.com"}' in result["content"]
    ready = [event["arguments"] for event in events if event["type"] == "tool.ready"]
    assert ready == [{"to": "ada@example.com"}, {"to": "bob@example.com"}]
    assert (await chat.answer(started)).parts[1]["arguments"] == {"to": "bob@example.com"}


async def test_a_process_that_comes_later_goes_on_where_another_has_parked(chat, upstream, worker):
    """Also where whoever decides dies before it could tell anybody."""
    started = await ask_for_mail(chat, upstream)
    await decided(chat, "approve", office=Elsewhere(None))
    # Nobody has been told: the pass of the reaper finds it.
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert events[-1]["cursor"].startswith("2-")
    assert sent == ["ada@example.com"]


async def test_the_process_that_parked_it_may_be_gone(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream)
    await wiring.shutdown(grace_seconds=0)
    chat.runtime = await wiring.startup()
    await decided(chat, "approve")
    async with asyncio.timeout(20):
        while (run := await chat.row(started.run)).finished_at is None:
            await asyncio.sleep(0.02)
    assert (run.status, run.epoch) == ("completed", 2)
    assert (await chat.answer(started)).parts[-1]["text"] == "Done."


async def test_of_two_tabs_that_decide_at_once_one_does(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream)
    answers = await asyncio.gather(decided(chat, "approve"), decided(chat, "reject"), return_exceptions=True)
    assert sum(isinstance(answer, AlreadyDecided) for answer in answers) == 1
    (won,) = (answer for answer in answers if not isinstance(answer, BaseException))
    await chat.events(started.run)
    assert len(sent) == (won.decision == "approve")


async def test_the_same_decision_twice_is_made_once(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream)
    await asyncio.gather(*(decided(chat, "approve") for _ in range(4)))
    await chat.events(started.run)
    assert (await decided(chat, "approve")).status == "succeeded"
    assert sent == ["ada@example.com"]


async def test_stop_ends_a_run_that_is_parked(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream)
    await chat.stop(started)
    events = await chat.events(started.run)
    assert events[-1]["status"] == "stopped"
    assert (await waiting(chat)).status == "cancelled"
    assert len(upstream.requests) == 1
    with pytest.raises(AlreadyDecided):
        await decided(chat, "approve")


async def test_stop_is_heard_also_where_the_run_is_parked_just_then(chat, upstream, worker):
    """The flag was set before it was parked, and no hint of it has come."""
    plays(upstream, asks_for(MAIL))
    started = await chat.ask("Write to Ada")
    await chat.runtime.database(stop_run, chat.user, uuid.UUID(started.run), Elsewhere(None))
    assert (await chat.events(started.run))[-1]["status"] == "stopped"


async def test_a_conversation_that_is_deleted_while_a_run_is_parked_leaves_nothing(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream)
    await chat.runtime.database(delete_conversation, chat.user, uuid.UUID(started.conversation), chat.runtime)
    assert await chat.runtime.supervisor.rescue() == 0
    left = await chat.runtime.database(lambda: (Run.objects.count(), ToolInvocation.objects.count()))
    assert left == (0, 0)
    assert await chat.runtime.database(ModelCall.objects.count) == 1


async def test_a_parked_run_that_cannot_go_on_leaves_nothing_to_decide(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream, MAIL, ("send_mail", '{"to": "bob@example.com"}'))
    await chat.runtime.database(chat.model.delete)
    row = await waiting(chat, position=0)
    await chat.runtime.database(decide, chat.user, row.pk, "reject", chat.runtime)
    async with asyncio.timeout(20):
        while (await chat.row(started.run)).status != "failed":
            await asyncio.sleep(0.02)
    assert (await waiting(chat, position=1)).status == "cancelled"


async def test_when_nobody_decides_in_time_the_model_is_told(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream)
    past = Now() - timedelta(seconds=1)
    await chat.runtime.database(lambda: ToolInvocation.objects.update(deadline_at=past))
    with pytest.raises(AlreadyDecided, match="too late"):
        await decided(chat, "approve")
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert [event["status"] for event in events if event["type"] == "tool.finished"] == ["timed_out"]
    assert "Nobody answered in time" in upstream.requests[1]["messages"][-1]["content"]


async def test_every_tab_hears_that_nobody_came_in_time(chat, upstream, worker):
    heard = []
    chat.runtime.broadcast.subscribe(chat.user.pk, heard.append)
    started = await ask_for_mail(chat, upstream)
    past = Now() - timedelta(seconds=1)
    await chat.runtime.database(lambda: ToolInvocation.objects.update(deadline_at=past))
    await chat.events(started.run)
    decided = [notice for notice in heard if notice["name"] == "invocation.decided"]
    assert [(notice["decision"], notice["run"]) for notice in decided] == [("timed_out", started.run)]
    assert decided[0]["conversation"] == started.conversation


async def test_a_deadline_holds_also_while_other_tools_of_the_step_are_at_work(
    chat, upstream, worker, settings
):
    settings.APPROVAL_SECONDS = 0.3
    plays(upstream, asks_for(MAIL, SUM))
    started = await chat.ask("Write to Ada")
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    assert (await waiting(chat)).status == "timed_out"


async def test_who_looks_at_a_parked_run_sees_what_it_waits_for(chat, upstream, worker):
    started = await ask_for_mail(chat, upstream)
    row = await chat.runtime.database(lambda: Run.objects.select_related("message").get(pk=started.run))
    (snapshot,) = stored_entries(row)
    state = json.loads(snapshot.frame)["event"]["state"]
    call = state["steps"][0]["parts"][1]
    assert (state["status"], call["name"]) == ("waiting", "send_mail")
    assert (call["status"], call["for"]) == ("waiting", "approval")


async def test_every_tab_hears_that_somebody_is_waited_for_and_that_it_is_decided(chat, upstream, worker):
    heard = []
    chat.runtime.broadcast.subscribe(chat.user.pk, heard.append)
    started = await ask_for_mail(chat, upstream)
    await decided(chat, "approve")
    await chat.events(started.run)
    told = [(notice["name"], notice.get("for") or notice.get("decision")) for notice in heard]
    assert ("invocation.waiting", "approval") in told
    assert ("invocation.decided", "approve") in told
    assert [name for name, _ in told].count("invocation.waiting") == 1


async def test_a_step_that_was_cut_in_the_middle_is_asked_again_with_the_results_before_it(
    chat, upstream, worker
):
    """The process died in the second model call: what tools have answered is told again."""

    async def hang(answer):
        await answer.say("Half")
        await answer.wait_for_hang_up()

    plays(upstream, asks_for(SUM), hang)
    started = await chat.ask("What is 6*7?")
    async with asyncio.timeout(20):
        while "Half" not in (await chat.answer(started)).text:
            await asyncio.sleep(0.05)
    await chat.runtime.supervisor.break_off()
    await chat.runtime.supervisor.hand_over()
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert [message["role"] for message in upstream.requests[2]["messages"]] == ["user", "assistant", "tool"]
    assert (await chat.runtime.database(ToolInvocation.objects.get)).attempts == 1


async def test_a_process_that_dies_in_the_middle_of_the_tools_costs_none_of_them(chat, upstream, settings):
    """What a worker finishes meanwhile is not run again, and what was not given out yet is."""
    settings.TOOLS_AT_ONCE = 1
    plays(upstream, asks_for(SUM, ("calculate", '{"expression": "1+1"}')))
    started = await chat.ask("Sums")
    first = await given_out(chat, 0)
    await chat.runtime.supervisor.break_off()
    await chat.runtime.supervisor.hand_over()
    await work_on(chat, first)
    await work_on(chat, await given_out(chat, 1))
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert events[-1]["cursor"].startswith("2-")
    told = [m["content"] for m in upstream.requests[1]["messages"] if m["role"] == "tool"]
    assert told == ["42", "2"]
    assert await chat.runtime.database(
        lambda: list(ToolInvocation.objects.values_list("attempts", flat=True))
    ) == [1, 1]


async def given_out(chat, position):
    given = ToolInvocation.objects.filter(position=position).exclude(dispatched_at=None)
    async with asyncio.timeout(20):
        while (row := await chat.runtime.database(given.first)) is None:
            await asyncio.sleep(0.02)
    return row


async def work_on(chat, row):
    """A worker's side of it."""
    await chat.runtime.database(
        lambda: work(row.pk, node=None, told=chat.runtime.tool_changed, files_of=files_of)
    )


async def test_a_database_that_is_away_when_a_run_is_to_be_parked_fails_no_run(chat, upstream):
    plays(upstream, asks_for(MAIL, SUM))
    started = await chat.ask("Write to Ada")
    row = await given_out(chat, 1)
    # The engine is not told, and finds out at its next look, while nothing can be written.
    await chat.runtime.database(lambda: work(row.pk, node=None, told=lambda run: None, files_of=files_of))
    with locked("chat_run"):
        await asyncio.sleep(4)
    await parked(chat, started.run)
    assert (await waiting(chat)).status == "waiting"
