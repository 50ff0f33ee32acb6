"""The same answer with tools, whatever the provider speaks. The scripted one speaks all three over real HTTP, and
refuses a call without its result, or the other way round."""

import uuid

import pytest

import chat.tasks  # noqa: F401  (what is sent has to be registered in this process)
from chat.actions.invocations import decide
from chat.demo import start_demo_upstream
from chat.demo.script import Pace
from chat.engine import offered_tools
from chat.llm.dialects.registry import DIALECTS
from chat.models import LanguageModel, Provider, ToolInvocation
from project.celery import app
from project.worker.embedded import EmbeddedWorker
from tests.engine.tool_plays import parked
from tools.base import tool
from tools.discovery import installed
from tools.registry import Registry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.parametrize("dialect", sorted(DIALECTS))]

SUMS = 'think call:calculate {"expression": "6*7"} call:calculate {"expression": "6*8"}'
ASKED = "Let me look that up. "


@tool(needs_approval=True)
def send_mail(to: str) -> str:
    """Sends a mail.

    Args:
        to: its address.
    """
    return f"sent to {to}"


@pytest.fixture(autouse=True)
def worker(transactional_db, monkeypatch):
    registry = Registry([*installed(), send_mail])
    monkeypatch.setattr(offered_tools, "installed", lambda: registry)
    app.control.purge()
    started = EmbeddedWorker(app)
    started.start()
    yield started
    started.stop()


@pytest.fixture(autouse=True)
async def scripted(chat, dialect):
    """Alice's model is the scripted one."""
    server = await start_demo_upstream(pace=Pace(per_second=0, first_ms=0))

    def prepare():
        provider = Provider.objects.create(
            name="scripted", base_url=server.base_url_for(dialect), dialect=dialect
        )
        return LanguageModel.objects.create(
            provider=provider, name="demo", max_output_tokens=4000, capabilities=["tools", "reasoning"]
        )

    chat.model = await chat.runtime.database(prepare)
    yield
    await server.close()


async def ends(chat, run):
    events = await chat.events(run)
    return events[-1], [event for event in events if event["type"] == "tool.finished"]


def shape(parts):
    return [part["type"] for part in parts if part["type"] != "reasoning"]


def said(parts):
    return "".join(part.get("text", "") for part in parts if part["type"] == "text")


async def test_calls_are_run_and_their_results_told_in_order_with_the_text_around_them(chat, dialect):
    started = await chat.ask(SUMS)
    end, tools = await ends(chat, started.run)
    assert (end["status"], end["usage"]["source"]) == ("completed", "reported")
    assert sorted(one["result"] for one in tools) == ["42", "48"]
    parts = (await chat.answer(started)).parts
    calls = ["tool_call", "tool_call", "tool_result", "tool_result"]
    assert shape(parts) == ["text", *calls, "text"]
    assert [part["arguments"]["expression"] for part in parts if part["type"] == "tool_call"] == [
        "6*7",
        "6*8",
    ]
    text = said(parts)
    assert text.startswith(ASKED)
    assert text.index("`calculate` says: 42") < text.index("`calculate` says: 48")
    assert [(call.step, call.outcome) for call in await chat.calls()] == [(1, "completed"), (2, "completed")]


async def test_arguments_are_told_as_they_form(chat, dialect):
    started = await chat.ask(SUMS)
    events = await chat.events(started.run)
    first = next(event["invocation"] for event in events if event["type"] == "tool.started")
    of_it = [event for event in events if event.get("invocation") == first]
    formed = [event["text"] for event in of_it if event["type"] == "tool.arguments.delta"]
    assert "".join(formed) == '{"expression": "6*7"}'
    assert len(formed) > 1
    types = [event["type"] for event in of_it]
    assert types[0] == "tool.started"
    assert types.index("tool.ready") == len(formed) + 1


async def test_what_a_limit_did_not_let_run_is_told_when_it_is_continued(chat, dialect, settings):
    settings.LOOP_STEPS = 1
    started = await chat.ask(SUMS)
    end, tools = await ends(chat, started.run)
    assert (end["status"], end["error"]["code"]) == ("limit_reached", "tool_limit")
    assert [one["status"] for one in tools] == ["cancelled", "cancelled"]
    settings.LOOP_STEPS = 8
    parent = uuid.UUID(started.runs[0].message)
    again = await chat.ask(None, conversation=uuid.UUID(started.conversation), parent=parent)
    end, _ = await ends(chat, again.run)
    assert end["status"] == "completed"


async def test_a_run_that_was_parked_goes_on_with_what_a_person_has_changed(chat, dialect):
    started = await chat.ask(
        'think call:send_mail {"to": "ada@example.com"} call:calculate {"expression": "1+1"}'
    )
    await parked(chat, started.run)
    key = await chat.runtime.database(lambda: ToolInvocation.objects.get(name="send_mail").pk)
    edited = {"to": "bob@example.com"}
    await chat.runtime.database(lambda: decide(chat.user, key, "approve", chat.runtime, arguments=edited))
    end, _ = await ends(chat, started.run)
    assert end["status"] == "completed"
    text = said((await chat.answer(started)).parts)
    assert "a person changed its arguments" in text
    assert "sent to bob@example.com" in text
    assert "`calculate` says: 2" in text


async def test_errors_are_results_and_the_next_question_is_asked_with_all_of_it(chat, dialect):
    started = await chat.ask('call:calculate {"expresion": "1"}')
    end, tools = await ends(chat, started.run)
    assert (end["status"], [one["status"] for one in tools]) == ("completed", ["failed"])
    assert "expresion" in said((await chat.answer(started)).parts)
    following = await chat.ask("hello", conversation=uuid.UUID(started.conversation))
    end, _ = await ends(chat, following.run)
    assert end["status"] == "completed"
