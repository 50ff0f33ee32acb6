"""Tools whose workers die, hang, are late, or never hear of them."""

import asyncio
import threading
import time
import uuid
from itertools import pairwise

import pytest
from django.db.models.functions import Now

from chat.engine import offered_tools, tool_watch, tool_work
from chat.models import LateResult, Node, ToolInvocation
from chat.models.base import new_id
from chat.models.tools import tell_nobody
from chat.wiring.attachments import files_of
from project.celery import app
from project.queues import queue_depths
from project.worker.embedded import EmbeddedWorker
from tests.engine.tool_plays import asks_for, plays
from tools.base import tool
from tools.context import ToolContext
from tools.discovery import installed
from tools.exceptions import ToolUnavailable
from tools.registry import Registry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_columns]

released = threading.Event()
tries: list[float] = []


@tool(timeout_seconds=0.2)
def hang() -> str:
    """Never looks up."""
    released.wait(20)
    return "far too late"


@tool(idempotent=True, timeout_seconds=20)
def waver() -> str:
    """Is away at first."""
    tries.append(time.monotonic())
    if len(tries) < 3:
        raise ToolUnavailable("Nobody is there.")
    return "here after all"


@tool(idempotent=True)
def ask_later() -> str:
    """Is away for an hour."""
    tries.append(time.monotonic())
    raise ToolUnavailable("Come back in an hour.", retry_after_seconds=3600)


@tool()
def say(characters: int, what: str = "x") -> str:
    """Says a lot."""
    return what * characters


@tool()
def mumble() -> str:
    """Says what databases refuse."""
    return "a\0b\ud800c"


@tool()
def remember(context: ToolContext) -> bool:
    """Whether the site's cache keeps anything."""
    context.cache.set("a thing to remember", 1)
    return context.cache.get("a thing to remember") is not None


@pytest.fixture(autouse=True)
def own_tools(monkeypatch):
    registry = Registry([*installed(), hang, waver, ask_later, say, mumble, remember])
    monkeypatch.setattr(offered_tools, "installed", lambda: registry)
    tries.clear()
    released.clear()
    yield
    released.set()


@pytest.fixture(autouse=True)
def nothing_sent_before():
    app.control.purge()


@pytest.fixture
def start_worker(transactional_db):
    """Starts a worker; what was sent before is lost, as with a broker that forgot it."""
    started = []

    def start():
        app.control.purge()
        started.append(EmbeddedWorker(app))
        started[-1].start()

    yield start
    for worker in started:
        worker.stop()


@pytest.fixture
def worker(start_worker):
    start_worker()


async def asked(chat, upstream, *call):
    """A run whose model has called a tool that nobody works on yet."""
    plays(upstream, asks_for(call))
    started = await chat.ask("Go")
    await chat.events(started.run, until="tool.ready")
    for _ in range(200):
        row = await chat.runtime.database(ToolInvocation.objects.filter(dispatched_at__isnull=False).first)
        # Written first and sent then: a worker that starts in between would get what it is to miss.
        if row is not None and queue_depths()["tools"]:
            return started, row
        await asyncio.sleep(0.02)
    raise AssertionError("not given out")


async def row_of(chat):
    return await chat.runtime.database(ToolInvocation.objects.get)


def die_with(row):
    """A worker of another machine claims it, and is gone."""
    node = Node.objects.create(pk=new_id(), kind=Node.Kind.WORKER, host="elsewhere", pid=1)
    epoch = ToolInvocation.objects.claim(row.pk, node=node.pk, birth="elsewhere/1:1:1")
    Node.objects.filter(pk=node.pk).update(stopped_at=Now())
    return epoch


CALCULATE = ("calculate", '{"expression": "6*7"}')


async def test_what_the_broker_lost_is_given_out_again(chat, upstream, start_worker, monkeypatch):
    monkeypatch.setattr(tool_watch, "FIRST_DELIVERY_SECONDS", 0.5)
    started, row = await asked(chat, upstream, *CALCULATE)
    start_worker()
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    again = await row_of(chat)
    assert (again.result, again.attempts) == ("42", 1)
    assert again.dispatched_at > row.dispatched_at


def test_an_invocation_that_waits_for_a_busy_worker_is_sent_more_and_more_rarely():
    deliveries = tool_watch.Deliveries()
    deliveries.given("one", 0)
    sent = [second for second in range(1, 601) if deliveries.is_due_again("one", second)]
    assert sent[:4] == [5, 15, 35, 75]
    assert len(sent) < 14


async def test_a_second_delivery_of_the_same_invocation_does_nothing(chat, upstream, start_worker):
    started, row = await asked(chat, upstream, *CALCULATE)
    assert await chat.runtime.database(deliver, row) == "succeeded"
    assert await chat.runtime.database(deliver, row) == ""
    await chat.events(started.run)
    assert (await row_of(chat)).attempts == 1


def deliver(row):
    return tool_work.work(row.pk, node=None, told=lambda run: None, files_of=files_of)


@pytest.mark.parametrize(("seconds", "kept"), [(0, "false"), (60, "true")])
async def test_tools_keep_answers_for_as_long_as_the_setting_says(chat, upstream, settings, seconds, kept):
    settings.TOOLS_CACHE_SECONDS = seconds
    _, row = await asked(chat, upstream, "remember", "{}")
    await chat.runtime.database(deliver, row)
    assert (await row_of(chat)).result == kept


async def test_an_idempotent_tool_whose_worker_died_is_run_again(chat, upstream, start_worker):
    started, row = await asked(chat, upstream, *CALCULATE)
    await chat.runtime.database(die_with, row)
    start_worker()
    await chat.events(started.run)
    row = await row_of(chat)
    assert (row.status, row.result, row.attempts, row.epoch) == ("succeeded", "42", 2, 3)


async def test_a_tool_that_is_not_idempotent_is_never_run_again(chat, upstream):
    started, row = await asked(chat, upstream, "say", '{"characters": 3}')
    await chat.runtime.database(die_with, row)
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert [event["status"] for event in events if event["type"] == "tool.finished"] == ["unknown"]
    told = upstream.requests[1]["messages"][2]["content"]
    assert "Nobody knows what it had done" in told
    assert (await row_of(chat)).attempts == 1


async def test_a_tool_that_breaks_its_worker_three_times_is_given_up(chat, upstream):
    started, row = await asked(chat, upstream, *CALCULATE)
    for attempt in range(1, 4):
        while await chat.runtime.database(die_with, row) is None:
            await asyncio.sleep(0.05)
        for _ in range(100):
            now = await row_of(chat)
            if now.status != "running":
                break
            await asyncio.sleep(0.05)
        assert now.attempts == attempt
    assert (now.status, now.attempts) == ("unknown", 3)
    assert (await chat.events(started.run))[-1]["status"] == "completed"


async def test_a_result_of_a_worker_that_was_given_up_is_kept_and_not_applied(
    chat, upstream, start_worker, monkeypatch
):
    started, row = await asked(chat, upstream, "hang", "{}")

    def work_slowly():
        result = []
        thread = threading.Thread(target=lambda: result.append(deliver(row)))
        thread.start()
        while not ToolInvocation.objects.filter(pk=row.pk, status="running").exists():
            time.sleep(0.02)
        assert ToolInvocation.objects.put_back(row.pk, epoch=1)
        newer = ToolInvocation.objects.claim(row.pk, node=None, birth="")
        assert newer == 3
        ToolInvocation.objects.finish(
            row.pk, epoch=newer, status="succeeded", result="in time", tell=tell_nobody
        )
        released.set()
        thread.join()
        return result

    assert await chat.runtime.database(work_slowly) == [""]
    await chat.events(started.run)
    assert (await row_of(chat)).result == "in time"
    late = await chat.runtime.database(LateResult.objects.get)
    assert (late.epoch, late.result) == (1, "far too late")


async def test_a_tool_that_hangs_is_left_behind_when_its_time_is_up(chat, upstream, worker, monkeypatch):
    monkeypatch.setattr(tool_work, "HANG_SECONDS", 0.5)
    plays(upstream, asks_for(("hang", "{}")))
    started = await chat.ask("Go")
    events = await chat.events(started.run)
    assert [event["status"] for event in events if event["type"] == "tool.finished"] == ["timed_out"]
    assert "did not finish in the time it has" in upstream.requests[1]["messages"][2]["content"]


async def test_a_tool_that_was_unavailable_is_tried_again_after_growing_pauses(chat, upstream, worker):
    plays(upstream, asks_for(("waver", "{}")))
    started = await chat.ask("Go")
    await chat.events(started.run)
    row = await row_of(chat)
    assert (row.status, row.result, row.attempts) == ("succeeded", "here after all", 3)
    first, second = (later - earlier for earlier, later in pairwise(tries))
    assert first >= 1.0
    assert second >= 2.0


async def test_nobody_waits_an_hour_for_a_second_attempt(chat, upstream, worker):
    plays(upstream, asks_for(("ask_later", "{}")))
    started = await chat.ask("Go")
    await chat.events(started.run)
    assert len(tries) == 1
    assert (await row_of(chat)).result == "Come back in an hour."


async def test_a_long_result_is_kept_whole_and_given_shortened(chat, upstream, worker):
    plays(upstream, asks_for(("say", '{"characters": 100000}')))
    started = await chat.ask("Go")
    await chat.events(started.run)
    given = upstream.requests[1]["messages"][2]["content"]
    assert given.endswith("of 100000 bytes]")
    assert len(given.encode()) <= 65_536
    row = await row_of(chat)
    assert (len(row.result), row.shown) == (100_000, given)


async def test_a_result_over_a_megabyte_is_refused_in_words(chat, upstream, worker):
    plays(upstream, asks_for(("say", '{"characters": 600001, "what": "é"}')))
    started = await chat.ask("Go")
    await chat.events(started.run)
    row = await row_of(chat)
    assert (row.status, row.result) == (
        "failed",
        "The tool's result is too large: 1200002 bytes, and at most 1048576 are taken. Ask for less at once.",
    )


async def test_a_result_with_characters_that_databases_refuse_is_stored(chat, upstream, worker):
    plays(upstream, asks_for(("mumble", "{}")))
    started = await chat.ask("Go")
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    assert (await row_of(chat)).result == "a�b?c"


def test_an_invocation_that_is_not_there_any_more_is_nothing_to_do(db):
    assert tool_work.work(uuid.uuid4(), node=None, told=lambda run: None, files_of=files_of) == ""
