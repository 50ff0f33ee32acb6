"""A whole answer with tools, as a user's own systems hear of it."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

import chat.tasks  # noqa: F401  (what is sent has to be registered in this process)
from chat.actions.invocations import answer
from chat.models import ToolInvocation
from tests.engine.hearing import ENDED, outline, told
from tests.engine.tool_plays import asks_for, parked, plays
from tests.factories import WebhookEndpointFactory

pytestmark = pytest.mark.django_db(transaction=True)

DOOR = ("open_door", '{"door": "front"}')


@pytest.fixture(autouse=True)
async def listening(chat):
    await chat.runtime.database(WebhookEndpointFactory.create, owner=chat.user)


async def ask_for(chat, upstream, *calls):
    """The caller runs `open_door` itself."""
    plays(upstream, asks_for(*calls))
    started = await chat.ask("Open up", options={"client_tools": [{"name": "open_door"}]})
    await parked(chat, started.run)
    return started


async def test_each_call_is_told_when_it_waits_and_when_it_has_ended(chat, upstream, worker):
    sum_ = ("calculate", '{"expression": "6*7"}')
    started = await ask_for(chat, upstream, DOOR, sum_, ("launch_rocket", "{}"))
    rows = await chat.runtime.database(lambda: list(ToolInvocation.objects.order_by("position")))
    await chat.runtime.database(lambda: answer(chat.user, rows[0].pk, chat.runtime, result={"open": True}))
    await chat.events(started.run)

    heard = {}
    for payload in await chat.runtime.database(told):
        assert payload.pop("timestamp")
        assert heard.setdefault((payload["event"], payload.get("call_id")), payload) is payload, "told twice"
    keys = [str(row.pk) for row in rows]
    assert len(heard) == 5
    assert heard["invocation.waiting", keys[0]] == {
        "event": "invocation.waiting",
        "call_id": keys[0],
        "run": started.run,
        "function": "open_door",
        "arguments": {"door": "front"},
        "arguments_truncated": False,
        "for": "client",
    }
    assert heard[ENDED, keys[0]] == {
        "event": ENDED,
        "call_id": keys[0],
        "run": started.run,
        "function": "open_door",
        "status": "succeeded",
        "result": '{"open":true}',
        "result_truncated": False,
    }
    assert (heard[ENDED, keys[1]]["status"], heard[ENDED, keys[1]]["result"]) == ("succeeded", "42")
    assert (heard[ENDED, keys[2]]["status"], heard[ENDED, keys[2]]["function"]) == ("failed", "launch_rocket")
    assert heard["run.finished", None]["status"] == "completed"


async def test_what_was_waited_for_is_told_as_cancelled_when_somebody_presses_stop(chat, upstream):
    started = await ask_for(chat, upstream, DOOR)
    await chat.stop(started)
    await chat.events(started.run)

    assert sorted(await chat.runtime.database(outline)) == [
        (ENDED, "cancelled"),
        ("invocation.waiting", "client"),
        ("run.finished", "stopped"),
    ]


async def test_what_nobody_answers_in_time_is_told_once_its_time_is_over(chat, upstream):
    started = await ask_for(chat, upstream, DOOR)
    past = Now() - timedelta(seconds=1)
    await chat.runtime.database(lambda: ToolInvocation.objects.update(deadline_at=past))
    await chat.events(started.run)

    assert sorted(await chat.runtime.database(outline)) == [
        (ENDED, "timed_out"),
        ("invocation.waiting", "client"),
        ("run.finished", "completed"),
    ]
