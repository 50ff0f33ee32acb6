"""One person's tools do not take all the workers."""

import asyncio
import threading

import pytest

from chat.engine import offered_tools
from chat.models import ToolInvocation
from tests.engine.tool_plays import asks_for
from tools.base import tool
from tools.discovery import installed
from tools.registry import Registry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_columns]

released = threading.Event()


@tool(timeout_seconds=30)
def linger() -> str:
    """Takes its time."""
    released.wait(20)
    return "done"


@pytest.fixture(autouse=True)
def own_tools(monkeypatch):
    registry = Registry([*installed(), linger])
    monkeypatch.setattr(offered_tools, "installed", lambda: registry)
    released.clear()
    yield
    released.set()


async def standing(chat) -> list[str]:
    def look():
        rows = ToolInvocation.objects.order_by("pk").values_list("status", "dispatched_at")
        return sorted("sent" if status == "pending" and at else status for status, at in rows)

    return await chat.runtime.database(look)


async def test_further_tools_of_one_person_wait_until_those_before_have_ended(
    chat, upstream, settings, worker
):
    settings.TOOLS_PER_USER = 2

    async def play(answer):
        if any(message["role"] == "tool" for message in upstream.requests[-1]["messages"]):
            await answer.say("Done.")
            await answer.end()
        else:
            await asks_for(("linger", "{}"), ("linger", "{ }"))(answer)

    upstream.play = play
    first = await chat.ask("one")
    await chat.events(first.run, until="tool.running")
    second = await chat.ask("two")
    await chat.events(second.run, until="step.finished")
    # Looked at again and again: nothing further goes out.
    await asyncio.sleep(1.5)
    assert await standing(chat) == ["pending", "pending", "running", "running"]
    released.set()
    assert [(await chat.events(run.run))[-1]["status"] for run in (first, second)] == ["completed"] * 2
    assert await standing(chat) == ["succeeded"] * 4
