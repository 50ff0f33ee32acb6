"""Tools that the caller brings with a run and answers itself."""

import asyncio
from datetime import timedelta

import pytest

from chat.actions.invocations import answer
from chat.exceptions import AlreadyDecided, InvalidRequest, TooLarge
from chat.models import Run, ToolInvocation
from tests.engine.tool_plays import asks_for, parked, plays

pytestmark = pytest.mark.django_db(transaction=True)

OPEN_DOOR = {
    "name": "open_door",
    "description": "Opens a door.",
    "parameters": {"type": "object", "properties": {"door": {"type": "string"}}},
}


async def ask_for_a_door(chat, upstream, **options):
    plays(upstream, asks_for(("open_door", '{"door": "front"}')))
    started = await chat.ask("Open up", options={"client_tools": [OPEN_DOOR], **options})
    await parked(chat, started.run)
    return started


async def answered(chat, **more):
    def give():
        key = ToolInvocation.objects.get(name="open_door").pk
        return answer(chat.user, key, chat.runtime, **more)

    return await chat.runtime.database(give)


async def test_a_tool_that_the_caller_runs_is_offered_beside_ours(chat, upstream, settings):
    settings.CLIENT_TOOL_SECONDS = 60
    await ask_for_a_door(chat, upstream)
    offered = [one["function"] for one in upstream.requests[0]["tools"]]
    assert {"open_door", "calculate"} <= {one["name"] for one in offered}
    (door,) = (one for one in offered if one["name"] == "open_door")
    assert door == OPEN_DOOR
    row = await chat.runtime.database(ToolInvocation.objects.get)
    assert (row.kind, row.status, row.waits_for) == ("client", "waiting", "client")
    assert timedelta(seconds=50) < row.deadline_at - row.created_at < timedelta(seconds=70)


async def test_ours_can_be_left_out_and_theirs_stay(chat, upstream):
    await ask_for_a_door(chat, upstream, tools=[])
    assert [one["function"]["name"] for one in upstream.requests[0]["tools"]] == ["open_door"]


async def test_the_caller_answers_and_the_model_goes_on(chat, upstream):
    started = await ask_for_a_door(chat, upstream)
    await answered(chat, result={"open": True})
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert upstream.requests[1]["messages"][-1]["content"] == '{"open":true}'
    assert "open_door" in [one["function"]["name"] for one in upstream.requests[1]["tools"]]
    waits = [event["for"] for event in events if event["type"] == "tool.waiting"]
    assert waits == ["client"]


async def test_the_caller_says_that_it_cannot(chat, upstream):
    started = await ask_for_a_door(chat, upstream)
    await answered(chat, error="The door is stuck.")
    events = await chat.events(started.run)
    assert [event["status"] for event in events if event["type"] == "tool.finished"] == ["failed"]
    assert upstream.requests[1]["messages"][-1]["content"].endswith("The door is stuck.")


async def test_the_same_answer_twice_is_one_and_another_one_is_refused(chat, upstream):
    started = await ask_for_a_door(chat, upstream)
    await asyncio.gather(*(answered(chat, result="open") for _ in range(3)))
    await chat.events(started.run)
    assert (await answered(chat, result="open")).status == "succeeded"
    with pytest.raises(AlreadyDecided):
        await answered(chat, result="shut")
    with pytest.raises(AlreadyDecided):
        await answered(chat, error="open")
    assert (await chat.runtime.database(ToolInvocation.objects.get)).result == "open"


async def test_a_long_answer_is_kept_whole_and_shown_shortened(chat, upstream):
    started = await ask_for_a_door(chat, upstream)
    await answered(chat, result="x" * 200_000)
    await chat.events(started.run)
    shown = upstream.requests[1]["messages"][-1]["content"]
    assert len(shown) <= 65_536
    assert "[shortened to" in shown
    assert len((await chat.runtime.database(ToolInvocation.objects.get)).result) == 200_000
    with pytest.raises(TooLarge):
        await answered(chat, result="x" * 1_100_000)


@pytest.mark.parametrize(
    "tools",
    [
        [OPEN_DOOR, OPEN_DOOR],
        [{"name": "calculate"}],
        [{"name": "open door"}],
        [{"name": "tür"}],
        [{"name": "x" * 65}],
        [{"name": ""}],
        [{"description": "nameless"}],
        [{"name": "door", "colour": "red"}],
        [{"name": "door", "parameters": {"type": "string"}}],
        [{"name": "door", "parameters": []}],
        [{"name": f"door{number}"} for number in range(33)],
        [{"name": "door", "description": "x" * 70_000}],
        "open_door",
    ],
)
async def test_tools_that_cannot_be_offered_are_refused_before_anything_is_begun(chat, upstream, tools):
    with pytest.raises(InvalidRequest) as refused:
        await chat.ask("Open up", options={"client_tools": tools})
    assert refused.value.field == "options.client_tools"
    assert await chat.runtime.database(Run.objects.count) == 0
