"""A model that calls tools: the loop from its words to the results and on, with a real worker beside it."""

import asyncio
import json
import threading
import uuid

import pytest

from chat.engine import offered_tools
from chat.models import ToolInvocation
from tests.engine.tool_plays import asks_for, plays
from tools.base import tool
from tools.context import ToolContext
from tools.discovery import installed
from tools.registry import Registry

pytestmark = pytest.mark.django_db(transaction=True)


@tool(timeout_seconds=60)
def dawdle(context: ToolContext, seconds: float = 30.0) -> str:
    """Takes its time.

    Args:
        seconds: how much of it.
    """
    for number in range(10):
        context.progress(number / 10, f"part {number}")
        context.wait(seconds / 10)
    return "at last"


silent = threading.Event()


@tool(timeout_seconds=60)
def fall_silent(context: ToolContext) -> str:
    """Says a few things at once, then nothing more."""
    context.progress(0.0, "begun")
    context.progress(0.1, "looking")
    context.progress(0.2, "loading")
    silent.wait(30)
    return "done"


@tool(timeout_seconds=60)
async def stroll(context: ToolContext, seconds: float = 30.0) -> str:
    """Takes its time on an event loop of its own.

    Args:
        seconds: how much of it.
    """
    for number in range(10):
        context.progress(number / 10, f"part {number}")
        await asyncio.sleep(seconds / 10)
    return "at last"


SLOW = pytest.mark.parametrize("name", ["dawdle", "stroll"])
"""A `def` and an `async def`."""


@pytest.fixture
def slow_tool(monkeypatch):
    registry = Registry([*installed(), dawdle, stroll, fall_silent])
    monkeypatch.setattr(offered_tools, "installed", lambda: registry)


def types_of(events):
    return [event["type"] for event in events]


async def test_a_tool_is_run_and_the_model_is_told_what_came_of_it(chat, upstream, worker):
    plays(upstream, asks_for(("calculate", '{"expression": "6*7"}'), text="Let me see. "))
    started = await chat.ask("What is 6*7?")
    events = await chat.events(started.run)
    # A tool that is done at once is not seen running.
    assert [type_ for type_ in types_of(events) if type_ != "tool.running"] == [
        "run.started",
        "step.started",
        "text.delta",
        "tool.started",
        "tool.arguments.delta",
        "tool.ready",
        "step.finished",
        "tool.finished",
        "step.started",
        "text.delta",
        "step.finished",
        "run.finished",
    ]
    finished = next(event for event in events if event["type"] == "tool.finished")
    assert (finished["status"], finished["result"]) == ("succeeded", "42")
    assert events[-1]["status"] == "completed"
    shown = upstream.requests[1]["messages"]
    assert shown[1]["tool_calls"][0]["function"] == {
        "name": "calculate",
        "arguments": '{"expression": "6*7"}',
    }
    assert (shown[2]["role"], shown[2]["content"]) == ("tool", "42")


async def test_what_was_said_before_and_after_is_kept_in_order(chat, upstream, worker):
    plays(upstream, asks_for(("calculate", '{"expression": "6*7"}'), text="Let me see. "))
    started = await chat.ask("What is 6*7?")
    await chat.events(started.run)
    parts = (await chat.answer(started)).parts
    assert [part["type"] for part in parts] == ["text", "tool_call", "tool_result", "text"]
    assert parts[1]["arguments"] == {"expression": "6*7"}
    assert (parts[0]["text"], parts[3]["text"]) == ("Let me see. ", "Done.")


async def test_the_row_says_who_ran_it_and_the_ledger_has_both_calls(chat, upstream, worker):
    plays(upstream, asks_for(("calculate", '{"expression": "6*7"}')))
    started = await chat.ask("What is 6*7?")
    end = (await chat.events(started.run))[-1]
    row = await chat.runtime.database(ToolInvocation.objects.get)
    assert (row.status, row.attempts, row.epoch, row.result) == ("succeeded", 1, 1, "42")
    assert (row.node_id, row.call_id, row.step) == (chat.runtime.node, "call_0", 1)
    calls = await chat.calls()
    assert [(call.step, call.attempt, call.outcome) for call in calls] == [
        (1, 1, "completed"),
        (2, 1, "completed"),
    ]
    assert end["usage"]["input_tokens"] == sum(call.input_tokens for call in calls)


async def test_tools_of_one_step_run_side_by_side_and_their_results_go_back_in_order(chat, upstream, worker):
    asked = [("calculate", json.dumps({"expression": f"{n}+{n}"})) for n in range(1, 8)]
    plays(upstream, asks_for(*asked))
    started = await chat.ask("Many")
    await chat.events(started.run)
    answers = [m["content"] for m in upstream.requests[1]["messages"] if m["role"] == "tool"]
    assert answers == [str(2 * n) for n in range(1, 8)]


async def test_an_unknown_tool_is_an_error_for_the_model_and_no_failed_run(chat, upstream, worker):
    plays(upstream, asks_for(("launch_rocket", "{}")))
    started = await chat.ask("Go")
    end = (await chat.events(started.run))[-1]
    assert end["status"] == "completed"
    assert "no tool called 'launch_rocket'" in upstream.requests[1]["messages"][2]["content"]


async def test_wrong_arguments_run_nothing_and_say_what_is_wrong(chat, upstream, worker):
    plays(upstream, asks_for(("calculate", '{"expresion": "1"}')))
    started = await chat.ask("Go")
    await chat.events(started.run)
    assert "expresion" in upstream.requests[1]["messages"][2]["content"]
    assert (await chat.runtime.database(ToolInvocation.objects.get)).status == "failed"


async def test_an_answer_that_never_stops_calling_is_stopped_and_may_be_continued(
    chat, upstream, worker, settings
):
    settings.LOOP_STEPS = 3
    numbers = iter(range(100))

    async def play(answer):
        await asks_for(("calculate", json.dumps({"expression": str(next(numbers))})))(answer)

    upstream.play = play
    started = await chat.ask("Go on for ever")
    end = (await chat.events(started.run))[-1]
    assert (end["status"], end["error"]["code"]) == ("limit_reached", "tool_limit")
    assert len(upstream.requests) == 3
    plays(upstream)
    again = await chat.ask(
        None, conversation=uuid.UUID(started.conversation), parent=uuid.UUID(started.runs[0].message)
    )
    assert (await chat.events(again.run))[-1]["status"] == "completed"
    told = [m["content"] for m in upstream.requests[3]["messages"] if m["role"] == "tool"]
    assert told[:2] == ["0", "1"]
    assert told[2].startswith("Not run: an answer has at most 3 steps")


async def test_the_same_call_again_and_again_is_not_run(chat, upstream, worker):
    same = asks_for(("calculate", '{"expression": "1"}'))
    plays(upstream, same, same, same)
    started = await chat.ask("Go")
    await chat.events(started.run)
    rows = await chat.runtime.database(
        lambda: list(ToolInvocation.objects.order_by("step").values_list("status", flat=True))
    )
    assert rows == ["succeeded", "succeeded", "failed"]


@SLOW
async def test_progress_is_told_while_a_tool_works(chat, upstream, worker, slow_tool, name):
    plays(upstream, asks_for((name, '{"seconds": 1.5}')))
    started = await chat.ask("Slowly")
    events = await chat.events(started.run)
    told = [(event["fraction"], event["note"]) for event in events if event["type"] == "tool.progress"]
    assert len(told) > 3
    assert told == sorted(told)
    assert (await chat.runtime.database(ToolInvocation.objects.get)).result == "at last"


async def test_what_a_tool_said_last_is_told_though_it_says_nothing_more(chat, upstream, worker, slow_tool):
    """Too soon after another note to be told at once; then the tool is silent."""
    silent.clear()
    plays(upstream, asks_for(("fall_silent", "{}")))
    started = await chat.ask("Slowly")
    events = []
    async with asyncio.timeout(20):
        while not any(event.get("note") == "loading" for event in events):
            events = await told_so_far(chat, started.run)
            await asyncio.sleep(0.02)
    assert not any(event["type"] == "tool.finished" for event in events)
    notes = [event["note"] for event in events if event["type"] == "tool.progress"]
    assert (notes[0], notes[-1]) == ("begun", "loading")
    silent.set()
    assert (await chat.events(started.run))[-1]["status"] == "completed"


async def told_so_far(chat, run):
    feed = chat.runtime.log.follow(run, None, lambda: None)
    try:
        return [json.loads(made.frame)["event"] for made in feed.take(1000)]
    finally:
        feed.close()


@SLOW
async def test_stop_while_a_tool_runs_cancels_it(chat, upstream, worker, slow_tool, name):
    plays(upstream, asks_for((name, "{}")))
    started = await chat.ask("Slowly")
    await chat.events(started.run, until="tool.running")
    await chat.stop(started)
    events = await chat.events(started.run)
    assert events[-1]["status"] == "stopped"
    assert [e["status"] for e in events if e["type"] == "tool.finished"] == ["cancelled"]
    assert (await chat.runtime.database(ToolInvocation.objects.get)).status == "cancelled"


async def test_a_next_question_is_asked_with_the_tools_of_the_answers_before(chat, upstream, worker):
    plays(upstream, asks_for(("calculate", '{"expression": "6*7"}')))
    started = await chat.ask("What is 6*7?")
    await chat.events(started.run)
    following = await chat.ask("And now?", conversation=uuid.UUID(started.conversation))
    await chat.events(following.run)
    roles = [message["role"] for message in upstream.requests[2]["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


async def test_a_model_finds_what_was_said_in_another_conversation(chat, upstream, worker):
    await chat.events((await chat.ask("Die Lampe heißt Größe.")).run)
    plays(upstream, asks_for(("search_conversations", '{"query": "GRÖSSE lampe"}')))
    started = await chat.ask("Where did I speak of the Lampe of some Größe?")
    await chat.events(started.run)
    told = json.loads(upstream.requests[-1]["messages"][-1]["content"])
    assert [found["snippet"] for found in told["found"]] == ["Die Lampe heißt Größe."]


async def test_who_wants_no_tools_offers_none(chat, upstream, worker):
    started = await chat.ask("hello", options={"tools": []})
    await chat.events(started.run)
    assert "tools" not in upstream.requests[0]
