"""Tools that other people's servers run: the run is parked until they call back, and goes on with what they say."""

import asyncio
import json
import threading
import time
import uuid

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from chat import wiring
from chat.actions.callbacks import Delivered, receive, receive_flat
from chat.engine import offered_tools
from chat.exceptions import Gone
from chat.models import ToolDelivery, ToolInvocation, WebhookDelivery, WebhookTool
from chat.webhooks.signing import sign, sign_body
from chat.wiring import webhooks
from tests.engine.tool_plays import asks_for, parked, plays
from tests.engine.webhook_tools.shipping import CALL, ask_to_ship, ends, row_of, told_to_the_model
from tests.factories import WebhookEndpointFactory
from tests.fakes.receiver import answer
from tools.base import tool
from tools.discovery import installed
from tools.registry import Registry

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lingering(monkeypatch):
    """A tool of ours that works until this is set."""
    released = threading.Event()

    @tool(timeout_seconds=30)
    def linger() -> str:
        """Takes its time."""
        released.wait(20)
        return "done"

    registry = Registry([*installed(), linger])
    monkeypatch.setattr(offered_tools, "installed", lambda: registry)
    yield released
    released.set()


async def called_back(chat, secret, key, message=None, **said):
    """As the tool's server does it."""
    body = json.dumps(said).encode()
    message = message or f"msg_{uuid.uuid4().hex}"
    headers = sign([secret], message, int(time.time()), body)
    return await chat.runtime.database(
        lambda: receive(key, Delivered(body, headers), chat.runtime, now=timezone.now())
    )


async def test_what_it_has_taken_parks_the_run_until_it_calls_back(chat, upstream, server, ship, secret):
    server.then(answer(202))
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat, status="waiting", waits_for="callback")
    assert (await chat.row(started.run)).node_id is None
    assert await called_back(chat, secret, row.pk, status="succeeded", result={"tracking": "1Z"})
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert told_to_the_model(upstream) == '{"tracking":"1Z"}'
    assert [event["for"] for event in events if event["type"] == "tool.waiting"] == ["callback"]
    assert ends(events) == ["succeeded"]


async def test_a_callback_may_come_before_the_answer_to_the_call(chat, upstream, server, ship, secret):
    """A quick server's result overtakes its 202."""
    reached, goes_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def late(line):
        loop.call_soon_threadsafe(reached.set)
        asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result(10)
        answer(202)(line)

    server.then(late)
    started = await ask_to_ship(chat, upstream)
    await asyncio.wait_for(reached.wait(), 10)
    row = await row_of(chat)
    assert await called_back(chat, secret, row.pk, status="succeeded", result="early")
    events = await chat.events(started.run)
    goes_on.set()
    assert (events[-1]["status"], told_to_the_model(upstream)) == ("completed", "early")
    assert (await row_of(chat)).status == "succeeded"


async def test_it_says_that_it_failed(chat, upstream, server, ship, secret):
    server.then(answer(202))
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat)
    await called_back(chat, secret, row.pk, status="failed", error="No parcels today.")
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert told_to_the_model(upstream).endswith("No parcels today.")


async def test_the_flat_form_ends_a_call_once(chat, upstream, server, ship, secret):
    server.then(answer(202))
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat)
    body = json.dumps({"call_id": str(row.pk), "result": "flat"}).encode()
    request = Delivered(body, {"X-Webhook-Signature": sign_body(secret, body)})

    def twice():
        return [receive_flat(request, chat.runtime, now=timezone.now()) for _ in range(2)]

    assert await chat.runtime.database(twice) == [True, False]
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    assert told_to_the_model(upstream) == "flat"


async def test_progress_of_a_parked_run_is_kept_and_told_beside_its_events(
    chat, upstream, server, ship, secret, monkeypatch
):
    notices = []
    monkeypatch.setattr(chat.runtime.broadcast, "notify", lambda user, fields: notices.append(fields))
    server.then(answer(202))
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat)
    assert await called_back(chat, secret, row.pk, status="progress", fraction=0.5, note="packed")
    row = await row_of(chat)
    assert (row.status, row.fraction, row.note) == ("waiting", 0.5, "packed")
    told = [fields for fields in notices if fields["name"] == "invocation.progress"]
    assert told == [
        {
            "name": "invocation.progress",
            "invocation": str(row.pk),
            "run": started.run,
            "conversation": str(row.conversation_id),
            "fraction": 0.5,
            "note": "packed",
        }
    ]


async def test_progress_beside_a_tool_that_still_works_is_an_event(
    chat, upstream, server, ship, secret, lingering
):
    server.then(answer(202))
    plays(upstream, asks_for(CALL, ("linger", "{}")))
    started = await chat.ask("Send it")
    await chat.events(started.run, until="tool.waiting")
    row = await row_of(chat)
    assert await called_back(chat, secret, row.pk, status="progress", fraction=0.5, note="packed")
    told = (await chat.events(started.run, until="tool.progress"))[-1]
    assert (told["invocation"], told["fraction"], told["note"]) == (str(row.pk), 0.5, "packed")
    await called_back(chat, secret, row.pk, status="succeeded", result=1)
    lingering.set()
    assert (await chat.events(started.run))[-1]["status"] == "completed"


async def test_nobody_who_answers_in_time_is_a_result_too(chat, upstream, server, ship, settings):
    server.then(answer(202))
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    await chat.runtime.database(ToolInvocation.objects.update, deadline_at=Now())
    events = await chat.events(started.run)
    assert ends(events) == ["timed_out"]
    assert told_to_the_model(upstream).endswith("Nobody answered in time.")


async def test_stop_ends_what_waits_and_the_callback_comes_too_late(chat, upstream, server, ship, secret):
    server.then(answer(202))
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    await chat.stop(started)
    assert (await chat.events(started.run))[-1]["status"] == "stopped"
    row = await row_of(chat)
    assert row.status == "cancelled"
    with pytest.raises(Gone):
        await called_back(chat, secret, row.pk, status="succeeded", result=1)


async def test_one_that_waits_can_be_called_again_and_its_answer_counts(chat, upstream, server, ship):
    server.then(answer(202), answer(500), answer(200, b'{"result": "second time lucky"}'))
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat)
    again = [
        await chat.runtime.database(
            lambda: webhooks.tool_caller().call_again(row.pk, told=wiring.tell_of_answer)
        )
        for _ in range(3)
    ]
    assert again == ["waiting", "succeeded", ""]
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    assert told_to_the_model(upstream) == "second time lucky"
    assert server.ids() == [str(row.pk)] * 3
    kept = await chat.runtime.database(
        lambda: list(ToolDelivery.objects.order_by("pk").values_list("status", "again"))
    )
    assert kept == [(202, False), (500, True), (200, True)]


async def test_a_callback_that_comes_while_it_is_called_again_is_what_counts(
    chat, upstream, server, ship, secret
):
    def call_back_first(line):
        body = json.dumps({"status": "succeeded", "result": "by the callback"}).encode()
        headers = sign([secret], "msg_1", int(time.time()), body)
        receive(row.pk, Delivered(body, headers), chat.runtime, now=timezone.now())
        connection.close()
        answer(200, b'{"result": "by the answer"}')(line)

    server.then(answer(202), call_back_first)
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat)
    await chat.runtime.database(lambda: webhooks.tool_caller().call_again(row.pk, told=wiring.tell_of_answer))
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    assert told_to_the_model(upstream) == "by the callback"


async def test_of_a_long_complaint_the_model_is_given_the_beginning(chat, upstream, server, ship, secret):
    await chat.runtime.database(WebhookTool.objects.update, max_result_bytes=300)
    server.then(answer(202))
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat)
    await called_back(chat, secret, row.pk, status="failed", error="No. " * 1000)
    await chat.events(started.run)
    assert "shortened to" in told_to_the_model(upstream)
    assert len(told_to_the_model(upstream)) <= 300
    assert (await row_of(chat)).result == "No. " * 1000


async def test_the_users_own_systems_hear_of_the_wait_and_of_the_result_once(
    chat, upstream, server, ship, secret
):
    await chat.runtime.database(lambda: WebhookEndpointFactory.create(owner=chat.user))
    server.then(answer(202))
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat)
    for _ in range(2):
        await called_back(chat, secret, row.pk, message="msg_1", status="succeeded", result=1)
    await chat.events(started.run)
    told = await chat.runtime.database(
        lambda: list(WebhookDelivery.objects.order_by("pk").values_list("event", flat=True))
    )
    assert told == ["invocation.waiting", "function_call_completed", "run.finished"]
