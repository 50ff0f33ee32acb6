"""Tools that wait for somebody, as tabs meet them: a real client against the running server."""

import uuid

import pytest

from tests.live import Person

pytestmark = pytest.mark.server

DOOR = {
    "name": "open_door",
    "description": "Opens a door.",
    "parameters": {"type": "object", "properties": {"door": {"type": "string"}}},
}


@pytest.fixture
def alice(site) -> Person:
    return site.sign_in("alice")


@pytest.fixture
def mallory(site) -> Person:
    return site.sign_in("mallory")


async def ask_for_a_door(tab) -> tuple[str, str]:
    """The run, which waits, and the invocation it waits for."""
    started = await tab.ask(
        "run.start",
        key=str(uuid.uuid4()),
        models=["demo/demo"],
        content=[{"type": "text", "text": 'call:open_door {"door": "front"}'}],
        options={"client_tools": [DOOR]},
    )
    assert started["ok"], started
    frames = await tab.events(started["run"], until="tool.waiting")
    return started["run"], frames[-1]["event"]["invocation"]


def answer(person: Person, invocation: str, **body):
    person.http.headers["X-CSRFToken"] = person.http.cookies["csrftoken"]
    return person.http.post(f"/api/v1/invocations/{invocation}/result", json=body)


async def test_a_run_waits_for_its_caller_and_goes_on_with_the_answer(alice):
    async with alice.socket() as tab:
        run, invocation = await ask_for_a_door(tab)
        assert answer(alice, invocation, result="the front door is open").status_code == 200
        frames = await tab.events(run)
    assert frames[-1]["event"]["status"] == "completed"
    assert frames[0]["event"]["type"] == "run.snapshot"


async def test_a_tab_that_is_opened_later_sees_what_is_waited_for(alice):
    async with alice.socket() as tab:
        run, invocation = await ask_for_a_door(tab)
    async with alice.socket() as later:
        assert (await later.ask("run.follow", run=run, after="7-1"))["ok"]
        (first,) = await later.events(run, until="run.snapshot")
        calls = [
            part
            for step in first["event"]["state"]["steps"]
            for part in step["parts"]
            if part["type"] == "tool_call"
        ]
        assert [(call["invocation"], call["status"], call["for"]) for call in calls] == [
            (invocation, "waiting", "client")
        ]
        await later.ask("run.stop", run=run)
        assert (await later.events(run))[-1]["event"]["status"] == "stopped"


async def test_only_what_waits_for_a_decision_is_decided_and_only_by_its_owner(alice, mallory):
    async with alice.socket() as tab, mallory.socket() as other:
        run, invocation = await ask_for_a_door(tab)
        decision = {"invocation": invocation, "decision": "approve"}
        assert (await tab.ask("invocation.decide", **decision))["error"]["code"] == "already_decided"
        foreign = await other.ask("invocation.decide", **decision)
        absent = await other.ask("invocation.decide", invocation=str(uuid.uuid4()), decision="approve")
        assert foreign["error"] == absent["error"]
        assert foreign["error"]["code"] == "not_found"
        await tab.ask("run.stop", run=run)
        await tab.events(run)
