"""How far an answer with tools goes by itself, what it keeps on the way, and how it goes on."""

import json
import threading
import time
import uuid

import pytest

import chat.tasks  # noqa: F401  (what is sent has to be registered in this process)
from chat.actions.invocations import decide
from chat.engine import offered_tools
from chat.engine.loop import same_call
from chat.models import Run, ToolInvocation
from project.celery import app
from project.worker.embedded import EmbeddedWorker
from tests.engine.tool_plays import asks_for, parked, plays
from tools.base import tool
from tools.discovery import installed
from tools.registry import Registry

pytestmark = pytest.mark.django_db(transaction=True)


class Room:
    """Who is in at the same time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = self.most = 0
        self.full = threading.Event()
        self.left: list[int] = []

    def come(self) -> int:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            return self.inside

    def go(self, number: int) -> None:
        with self.lock:
            self.inside -= 1
            self.left.append(number)

    def meet(self, number: int, others: int) -> None:
        """Whoever has the highest number leaves first, once all are there."""
        if self.come() == others:
            self.full.set()
        self.full.wait(20)
        while number < others - 1 and number + 1 not in self.left:
            time.sleep(0.005)
        self.go(number)


room = Room()


@tool(timeout_seconds=30)
def meet(number: int, others: int) -> str:
    """Waits until so many are there.

    Args:
        number: whose turn it is.
        others: how many have to be there.
    """
    room.meet(number, others)
    return f"number {number}"


@tool(timeout_seconds=30)
def pass_through(number: int) -> None:
    """Is in for a moment."""
    room.come()
    time.sleep(0.2)
    room.go(number)


@tool(timeout_seconds=30)
def rest(seconds: float) -> str:
    """Does nothing for a while."""
    time.sleep(seconds)
    return "rested"


@tool(needs_approval=True)
def ask_first() -> str:
    """Asks."""
    return "agreed"


@pytest.fixture(autouse=True)
def worker(transactional_db, monkeypatch):
    registry = Registry([*installed(), meet, pass_through, rest, ask_first])
    monkeypatch.setattr(offered_tools, "installed", lambda: registry)
    room.__init__()  # type: ignore[misc]  # as new
    app.control.purge()
    started = EmbeddedWorker(app)
    started.start()
    yield started
    started.stop()


def call(name, **given):
    return name, json.dumps(given)


def told(request):
    """What tools have answered, as the model is told."""
    return [message["content"] for message in request["messages"] if message["role"] == "tool"]


async def statuses(chat):
    rows = ToolInvocation.objects.order_by("step", "position")
    return await chat.runtime.database(lambda: list(rows.values_list("status", flat=True)))


async def go_on(chat, upstream, started):
    """As the button does."""
    plays(upstream)
    again = await chat.ask(
        None, conversation=uuid.UUID(started.conversation), parent=uuid.UUID(started.runs[0].message)
    )
    return (await chat.events(again.run))[-1]


# --- side by side --------------------------------------------------------------------------------------


async def test_five_calls_of_a_step_run_at_the_same_time_and_are_told_in_the_order_they_were_asked_for(
    chat, upstream
):
    plays(upstream, asks_for(*(call("meet", number=n, others=5) for n in range(5))))
    started = await chat.ask("Meet")
    await chat.events(started.run)
    assert room.left == [4, 3, 2, 1, 0]
    assert told(upstream.requests[1]) == [f"number {n}" for n in range(5)]


async def test_no_more_than_the_setting_says_run_at_the_same_time(chat, upstream, settings):
    settings.TOOLS_AT_ONCE = 2
    plays(upstream, asks_for(*(call("pass_through", number=n) for n in range(6))))
    started = await chat.ask("Pass")
    await chat.events(started.run)
    assert await statuses(chat) == ["succeeded"] * 6
    assert 1 <= room.most <= 2


# --- what is kept --------------------------------------------------------------------------------------


async def test_what_was_said_before_between_and_after_tools_is_kept_and_told_the_model_again(chat, upstream):
    sums = [call("calculate", expression=f"{n}+{n}") for n in (1, 2)]
    plays(upstream, asks_for(sums[0], text="First. "), asks_for(sums[1], text="Then. "))
    started = await chat.ask("Sums")
    await chat.events(started.run)
    parts = (await chat.answer(started)).parts
    assert [part.get("text") or part.get("result") or part["name"] for part in parts] == [
        "First. ", "calculate", "2", "Then. ", "calculate", "4", "Done.",
    ]  # fmt: skip
    said = [(m["role"], m["content"]) for m in upstream.requests[2]["messages"]]
    assert said == [
        ("user", "Sums"), ("assistant", "First. "), ("tool", "2"), ("assistant", "Then. "), ("tool", "4"),
    ]  # fmt: skip


# --- how far -------------------------------------------------------------------------------------------


async def test_an_answer_calls_tools_so_many_times_and_may_be_continued(chat, upstream, settings):
    settings.LOOP_INVOCATIONS = 3
    two = [asks_for(*(call("calculate", expression=f"{step}+{n}") for n in range(2))) for step in range(2)]
    plays(upstream, *two)
    started = await chat.ask("Sums")
    end = (await chat.events(started.run))[-1]
    assert (end["status"], end["error"]["code"]) == ("limit_reached", "tool_limit")
    assert await statuses(chat) == ["succeeded", "succeeded", "cancelled", "cancelled"]
    assert (await go_on(chat, upstream, started))["status"] == "completed"
    assert told(upstream.requests[-1])[2:] == ["Not run: an answer calls tools at most 3 times."] * 2


async def test_as_many_calls_as_the_limit_says_are_run(chat, upstream, settings):
    settings.LOOP_INVOCATIONS = 2
    plays(upstream, asks_for(*(call("calculate", expression=f"{n}") for n in range(2))))
    started = await chat.ask("Sums")
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    assert await statuses(chat) == ["succeeded", "succeeded"]


async def test_an_answer_works_for_so_long_and_may_be_continued(chat, upstream, settings):
    settings.LOOP_SECONDS = 2
    plays(upstream, asks_for(call("rest", seconds=2.2)), asks_for(call("rest", seconds=0.1)))
    started = await chat.ask("Rest")
    end = (await chat.events(started.run))[-1]
    assert (end["status"], end["error"]["code"]) == ("limit_reached", "tool_limit")
    assert end["error"]["message"].endswith("as it may: an answer works for at most 2 seconds.")
    assert await statuses(chat) == ["succeeded", "cancelled"]
    assert (await go_on(chat, upstream, started))["status"] == "completed"
    assert told(upstream.requests[-1]) == ["rested", "Not run: an answer works for at most 2 seconds."]


async def test_what_it_worked_before_it_was_parked_counts_and_what_it_waited_does_not(
    chat, upstream, settings
):
    settings.LOOP_SECONDS = 60
    plays(
        upstream, asks_for(call("ask_first"), call("rest", seconds=0.3)), asks_for(call("rest", seconds=0.1))
    )
    started = await chat.ask("May I?")
    await parked(chat, started.run)
    worked = (await chat.row(started.run)).worked_ms
    assert 300 <= worked < 20_000
    await chat.runtime.database(Run.objects.update, worked_ms=60_000)
    key = await chat.runtime.database(lambda: ToolInvocation.objects.get(name="ask_first").pk)
    await chat.runtime.database(decide, chat.user, key, "approve", chat.runtime)
    assert (await chat.events(started.run))[-1]["status"] == "limit_reached"
    # What had been asked for before the time was over is run.
    assert await statuses(chat) == ["succeeded", "succeeded", "cancelled"]


# --- the same again ------------------------------------------------------------------------------------


async def test_the_same_call_is_noticed_within_one_step_and_however_it_is_written(chat, upstream):
    written = [
        '{"expression": "1", "digits": 3}',
        '{"digits":3,"expression":"1"}',
        '{ "expression":"1","digits":3 }',
    ]
    plays(upstream, asks_for(*(("rest", f'{{"seconds":{space}0}}') for space in ("", " ", "  "))))
    started = await chat.ask("Rest")
    await chat.events(started.run)
    assert await statuses(chat) == ["succeeded", "succeeded", "failed"]
    assert told(upstream.requests[1])[2].startswith("Not run: this was asked with the same arguments before")
    assert len({same_call("calculate", one) for one in written}) == 1


@pytest.mark.parametrize(
    "other",
    [("rest", '{"seconds": 1}'), ("meet", '{"seconds": 0}'), ("rest", '{"seconds": [0]}'), ("rest", "{")],
)
def test_what_differs_is_another_call(other):
    assert same_call(*other) != same_call("rest", '{"seconds": 0}')


@pytest.mark.parametrize("odd", ["[" * 100_000, '"\ud800"', '"\\ud800"', "", "NaN"])
def test_whatever_a_model_has_written_it_can_be_compared(odd):
    assert same_call("rest", odd) == same_call("rest", odd)
