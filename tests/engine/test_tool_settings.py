"""What staff set for a tool while runs, servers and workers are under way."""

import asyncio
import json
import time
import uuid

import pytest
from django.contrib.auth.models import Group

from chat import wiring
from chat.actions.client_tools import check_client_tools
from chat.actions.invocations import decide
from chat.engine import offered_tools, tool_work
from chat.engine.invocations import look
from chat.engine.offered_tools import argument_errors, names_for, seconds_of, tools_for
from chat.models import ToolInvocation
from chat.wiring.attachments import files_of
from project.celery import app
from tests.engine.test_tool_workers import die_with
from tests.engine.tool_plays import asks_for, parked, plays
from tools.base import tool
from tools.discovery import installed
from tools.models import ToolSetting
from tools.overrides import in_force
from tools.registry import Registry

pytestmark = pytest.mark.django_db(transaction=True)

CALCULATE = ("calculate", '{"expression": "6*7"}')
ran: list[int] = []


@tool(idempotent=True)
def count(upto: int) -> str:
    """Counts."""
    ran.append(upto)
    return " ".join(str(number) for number in range(upto))


@pytest.fixture(autouse=True)
def own_tools(monkeypatch):
    ran.clear()
    registry = Registry([*installed(), count])
    monkeypatch.setattr(offered_tools, "installed", lambda: registry)
    app.control.purge()


def save(name: str, **values) -> None:
    """As staff do; the second passes for which it is remembered."""
    ToolSetting.objects.update_or_create(name=name, defaults=values)
    in_force.forget()


def keep_for_a_group(user) -> Group:
    """`count` is for a group, of which this user is."""
    save("count")
    group = Group.objects.create(name="counters")
    ToolSetting.objects.get(name="count").groups.add(group)
    user.groups.add(group)
    in_force.forget()
    return group


async def given_out(chat, upstream, *call):
    """A run whose model has called a tool; the task is out, and nobody takes it."""
    plays(upstream, asks_for(call))
    started = await chat.ask("Go")
    async with asyncio.timeout(20):
        while True:
            row = await chat.runtime.database(
                ToolInvocation.objects.filter(dispatched_at__isnull=False).first
            )
            if row is not None:
                return started, row
            await asyncio.sleep(0.02)


def deliver(row, **more) -> str:
    return tool_work.work(row.pk, node=None, told=wiring.tell_of_tool, files_of=files_of, **more)


async def row_of(chat):
    return await chat.runtime.database(ToolInvocation.objects.get)


def names(request) -> set[str]:
    return {told["function"]["name"] for told in request.get("tools", ())}


def told_of(request, name: str) -> str:
    return next(
        told["function"]["description"] for told in request["tools"] if told["function"]["name"] == name
    )


class TestWhatARunIsOffered:
    def test_a_tool_that_is_off_is_nowhere(self, alice):
        save("count", enabled=False)

        schemas, tools = tools_for(alice, None)

        assert "count" not in {schema.name for schema in schemas} | {tool.name for tool in tools}
        assert "count" not in names_for(alice)
        # Its name is free for whoever brings tools along.
        check_client_tools([{"name": "count", "parameters": {"type": "object"}}], names_for(alice))

    def test_what_is_set_goes_into_the_offer(self, alice):
        save("count", description="Counts slowly.", timeout_seconds=7, retries=1, needs_approval=True)

        (schema,), (offered,) = tools_for(alice, ["count"])

        assert schema.description == "Counts slowly."
        assert (offered.seconds, offered.retries, offered.needs_approval) == (7, 1, True)
        assert seconds_of("count") == 7

    def test_a_tool_may_be_for_members_of_a_group_alone(self, alice, mallory):
        save("count")
        finance = Group.objects.create(name="finance")
        ToolSetting.objects.get(name="count").groups.add(finance)
        alice.groups.add(finance)
        in_force.forget()

        assert "count" in names_for(alice)
        assert "count" not in names_for(mallory)

    def test_arguments_are_not_checked_for_a_tool_that_is_off(self, alice):
        assert "upto" in argument_errors("count", "local", "{}", alice)
        save("count", enabled=False)
        assert argument_errors("count", "local", "{}", alice) == ""

    def test_a_start_costs_at_most_one_query_more(self, alice, django_assert_max_num_queries):
        ToolSetting.objects.ensure([tool.name for tool in installed()])
        in_force.forget()
        with django_assert_max_num_queries(3):  # her groups, webhook tools, and this
            tools_for(alice, None)
        with django_assert_max_num_queries(2):
            tools_for(alice, None)


async def test_a_running_server_follows_a_change_within_a_second(chat, upstream):
    await chat.events((await chat.ask("one")).run)
    # Nobody is told to forget: the second goes by.
    await chat.runtime.database(
        lambda: ToolSetting.objects.create(name="count", description="Counts for staff alone.")
    )
    await chat.runtime.database(lambda: ToolSetting.objects.create(name="calculate", enabled=False))
    began = time.monotonic()
    while time.monotonic() - began < 10:
        await chat.events((await chat.ask("again")).run)
        if "calculate" not in names(upstream.requests[-1]):
            break
        await asyncio.sleep(0.05)

    assert "calculate" in names(upstream.requests[0])
    assert "calculate" not in names(upstream.requests[-1])
    assert told_of(upstream.requests[-1], "count") == "Counts for staff alone."


class TestBetweenTheCallAndItsRun:
    async def test_switched_off_nothing_is_run_and_the_model_is_told(self, chat, upstream):
        started, row = await given_out(chat, upstream, "count", '{"upto": 3}')
        await chat.runtime.database(save, "count", enabled=False)

        assert await chat.runtime.database(deliver, row) == "failed"

        events = await chat.events(started.run)
        assert (events[-1]["status"], ran) == ("completed", [])
        told = upstream.requests[1]["messages"][2]["content"]
        assert told.startswith("Nothing was run: count was switched off, or taken from this user, after it")
        assert "There is no tool called 'count'" in told

    async def test_taken_from_its_group_nothing_is_run(self, chat, upstream):
        group = await chat.runtime.database(keep_for_a_group, chat.user)
        started, row = await given_out(chat, upstream, "count", '{"upto": 3}')
        await chat.runtime.database(chat.user.groups.remove, group)

        assert await chat.runtime.database(deliver, row) == "failed"

        assert ((await chat.events(started.run))[-1]["status"], ran) == ("completed", [])

    async def test_taken_from_its_group_while_it_waits_a_yes_runs_nothing(self, chat, upstream):
        group = await chat.runtime.database(keep_for_a_group, chat.user)
        started, row = await given_out(chat, upstream, "count", '{"upto": 3}')
        await chat.runtime.database(lambda: save("count", needs_approval=True))
        await chat.runtime.database(deliver, row)
        await parked(chat, started.run)
        await chat.runtime.database(chat.user.groups.remove, group)

        await chat.runtime.database(decide, chat.user, row.pk, "approve", chat.runtime)
        async with asyncio.timeout(20):
            while await chat.runtime.database(deliver, row) != "failed":
                await asyncio.sleep(0.05)

        assert ((await chat.events(started.run))[-1]["status"], ran) == ("completed", [])

    async def test_its_result_is_shortened_as_it_is_set_now(self, chat, upstream):
        started, row = await given_out(chat, upstream, "count", '{"upto": 1000}')
        await chat.runtime.database(lambda: save("count", max_result_bytes=300))

        await chat.runtime.database(deliver, row)
        await chat.events(started.run)

        row = await row_of(chat)
        assert len(row.shown.encode()) <= 300 < len(row.result)

    async def test_it_has_the_time_that_is_set_now(self, chat, upstream):
        _, row = await given_out(chat, upstream, "count", '{"upto": 3}')
        await chat.runtime.database(lambda: save("count", timeout_seconds=500))

        (seen,) = await chat.runtime.database(look, str(row.run_id), 1)
        await chat.runtime.database(deliver, row)

        assert seen.seconds == 500
        row = await row_of(chat)
        assert (row.deadline_at - row.started_at).total_seconds() == 500 + tool_work.HANG_SECONDS

    async def test_it_waits_for_a_person_where_one_must_agree_now(self, chat, upstream):
        started, row = await given_out(chat, upstream, "count", '{"upto": 3}')
        await chat.runtime.database(lambda: save("count", needs_approval=True))

        assert await chat.runtime.database(deliver, row) == "waiting"
        await chat.events(started.run, until="tool.waiting")
        await parked(chat, started.run)
        assert ran == []

        await chat.runtime.database(decide, chat.user, row.pk, "approve", chat.runtime)
        async with asyncio.timeout(20):
            while await chat.runtime.database(deliver, row) != "succeeded":
                await asyncio.sleep(0.05)
        end = (await chat.events(started.run))[-1]
        row = await row_of(chat)
        assert (end["status"], row.result, row.attempts, ran) == ("completed", "0 1 2", 1, [3])

    async def test_nobody_agrees_in_time(self, chat, upstream):
        started, row = await given_out(chat, upstream, "count", '{"upto": 3}')
        await chat.runtime.database(lambda: save("count", needs_approval=True))

        await chat.runtime.database(lambda: deliver(row, approval_seconds=0.1))

        end = (await chat.events(started.run))[-1]
        row = await row_of(chat)
        assert (end["status"], row.status, ran) == ("completed", "timed_out", [])

    async def test_what_waits_is_not_run_by_a_second_delivery(self, chat, upstream):
        _, row = await given_out(chat, upstream, "count", '{"upto": 3}')
        await chat.runtime.database(lambda: save("count", needs_approval=True))

        assert await chat.runtime.database(deliver, row) == "waiting"
        assert await chat.runtime.database(deliver, row) == ""
        assert ran == []


async def test_a_running_worker_follows_too(chat, upstream, worker):
    plays(upstream, asks_for(("count", '{"upto": 2}')))
    await chat.events((await chat.ask("Go")).run)
    await chat.runtime.database(lambda: save("count", max_result_bytes=300))

    plays(upstream, asks_for(("count", '{"upto": 900}')))
    await chat.events((await chat.ask("Go")).run)

    told = upstream.requests[-1]["messages"][-1]["content"]
    assert "shortened to" in told
    assert len(told.encode()) <= 300


async def test_a_tool_that_is_not_to_be_tried_again_is_not_when_its_worker_dies(chat, upstream):
    await chat.runtime.database(lambda: save("count", retries=0))
    started, row = await given_out(chat, upstream, "count", '{"upto": 3}')

    await chat.runtime.database(die_with, row)

    events = await chat.events(started.run)
    assert [event["status"] for event in events if event["type"] == "tool.finished"] == ["unknown"]
    assert (await row_of(chat)).attempts == 1


async def test_an_approval_that_staff_ask_for_is_asked_for(chat, upstream, worker):
    await chat.runtime.database(lambda: save("calculate", needs_approval=True))
    plays(upstream, asks_for(CALCULATE))
    started = await chat.ask("What is 6*7?")
    await parked(chat, started.run)
    row = await row_of(chat)

    edited = {"expression": "6*8"}
    await chat.runtime.database(
        lambda: decide(chat.user, uuid.UUID(str(row.pk)), "approve", chat.runtime, arguments=edited)
    )

    await chat.events(started.run)
    row = await row_of(chat)
    assert (row.result, json.loads(row.edited_arguments)) == ("48", edited)
