"""Tools that other people's servers run: called, parked, called back, and gone on with."""

import asyncio
import json
import threading
import time
import uuid

import pytest
import standardwebhooks
from django.contrib.auth.models import Group
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.utils import timezone

import chat.tasks  # noqa: F401  (what is sent has to be registered in this process)
from chat import wiring
from chat.actions.callbacks import Delivered, receive, receive_flat
from chat.actions.invocations import decide
from chat.engine import offered_tools
from chat.exceptions import Gone, InvalidRequest
from chat.models import ToolDelivery, ToolInvocation, WebhookDelivery, WebhookTool
from chat.webhooks.signing import new_secret, sign, sign_body
from chat.wiring import webhooks
from project.celery import app
from project.worker.embedded import EmbeddedWorker
from tests.engine.tool_plays import asks_for, parked, plays
from tests.factories import WebhookEndpointFactory, WebhookToolFactory
from tests.fakes.receiver import answer, receiver, say
from tools.base import tool
from tools.discovery import installed
from tools.registry import Registry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_columns]

CALL = ("ship", '{"to": "Ada"}')


@pytest.fixture
def server():
    with receiver() as fake:
        yield fake


@pytest.fixture
def secret():
    return new_secret()


@pytest.fixture(autouse=True)
def site(settings):
    settings.PUBLIC_URL = "https://chat.example.org/"
    settings.TOOLS_ALLOWED_HOSTS = ["127.0.0.0/8"]
    settings.WEBHOOK_TOOL_SECONDS = 5
    webhooks.tool_caller.cache_clear()
    yield
    webhooks.tool_caller.cache_clear()


@pytest.fixture(autouse=True)
def worker(transactional_db):
    app.control.purge()
    started = EmbeddedWorker(app)
    started.start()
    yield started
    started.stop()


@pytest.fixture
async def ship(chat, server, secret):
    def make():
        return WebhookToolFactory.create(name="ship", url=server.url, secret=secret)

    return await chat.runtime.database(make)


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


async def ask_to_ship(chat, upstream, call=CALL):
    plays(upstream, asks_for(call))
    return await chat.ask("Send it")


async def row_of(chat, **more):
    return await chat.runtime.database(lambda: ToolInvocation.objects.get(name="ship", **more))


async def called_back(chat, secret, key, message=None, **said):
    """As the tool's server does it."""
    body = json.dumps(said).encode()
    message = message or f"msg_{uuid.uuid4().hex}"
    headers = sign([secret], message, int(time.time()), body)
    return await chat.runtime.database(
        lambda: receive(key, Delivered(body, headers), chat.runtime, now=timezone.now())
    )


def told_to_the_model(upstream):
    return upstream.requests[1]["messages"][-1]["content"]


async def test_a_server_that_answers_at_once_ends_the_call(chat, upstream, server, ship, secret):
    server.then(answer(200, b'{"result": {"tracking": "1Z"}}'))
    started = await ask_to_ship(chat, upstream)
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert told_to_the_model(upstream) == '{"tracking":"1Z"}'
    (request,) = server.requests
    row = await row_of(chat)
    said = standardwebhooks.Webhook(secret).verify(request.body.decode(), request.headers)
    assert said.pop("deadline").endswith("Z")
    assert said == {
        "type": "tool.call",
        "invocation": str(row.pk),
        "name": "ship",
        "arguments": {"to": "Ada"},
        "callback_url": f"https://chat.example.org/webhooks/invocations/{row.pk}",
    }
    assert request.headers["webhook-id"] == str(row.pk)


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
    assert [event["status"] for event in events if event["type"] == "tool.finished"] == ["succeeded"]


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
    assert [event["status"] for event in events if event["type"] == "tool.finished"] == ["timed_out"]
    assert told_to_the_model(upstream).endswith("Nobody answered in time.")


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (answer(500), "refused the call (HTTP 500)"),
        (answer(404), "refused the call (HTTP 404)"),
        (answer(302, Location="http://127.0.0.1:1/"), "refused the call (HTTP 302)"),
        (answer(204, b""), "refused the call (HTTP 204)"),
        (answer(200, b"fine"), "no JSON object"),
        (answer(200, b"[]"), "no JSON object"),
        (answer(200, b'{"ok": true}'), 'without a "result"'),
        (answer(200, b'{"error": "Out of paper."}'), "Out of paper."),
        (answer(200, b'{"result": "' + b"x" * 1_200_000 + b'"}'), "larger than 1 MB"),
        (say(b'HTTP/1.1 200 -\r\nContent-Length: 99\r\n\r\n{"resu'), "broke off"),
        (say(b""), "did not answer"),
    ],
)
async def test_a_server_that_gives_no_result_fails_the_call_in_words(
    chat, upstream, server, ship, play, words
):
    server.then(play)
    started = await ask_to_ship(chat, upstream)
    events = await chat.events(started.run)
    assert [event["status"] for event in events if event["type"] == "tool.finished"] == ["failed"]
    assert words in told_to_the_model(upstream)
    assert len(server.requests) == 1
    assert await chat.runtime.database(ToolDelivery.objects.count) == 1


async def test_only_a_tool_that_is_idempotent_is_called_again_under_the_same_id(chat, upstream, server, ship):
    await chat.runtime.database(WebhookTool.objects.update, idempotent=True)
    server.then(answer(503), answer(503), answer(200, b'{"result": 1}'))
    started = await ask_to_ship(chat, upstream)
    events = await chat.events(started.run)
    assert [event["status"] for event in events if event["type"] == "tool.finished"] == ["succeeded"]
    row = await row_of(chat)
    assert server.ids() == [str(row.pk)] * 3
    tries = await chat.runtime.database(
        lambda: list(ToolDelivery.objects.order_by("pk").values_list("attempt", "status"))
    )
    assert tries == [(1, 503), (2, 503), (3, 200)]


async def test_arguments_that_do_not_fit_its_schema_are_not_sent(chat, upstream, server, ship):
    started = await ask_to_ship(chat, upstream, ("ship", '{"from": 1}'))
    await chat.events(started.run)
    assert not server.requests
    assert "'to' is a required property" in told_to_the_model(upstream)


async def test_a_tool_that_was_switched_off_meanwhile_is_not_called(chat, upstream, server, ship):
    server.then(answer(200, b'{"result": 1}'))
    plays(upstream, asks_for(CALL))
    inner = upstream.play

    async def switch_off(call):
        await chat.runtime.database(WebhookTool.objects.update, enabled=False)
        await inner(call)

    upstream.play = switch_off
    started = await chat.ask("Send it")
    await chat.events(started.run)
    assert not server.requests
    assert "switched off" in told_to_the_model(upstream)


async def test_a_tool_of_a_group_is_offered_to_that_group(chat, upstream, server, ship):
    def keep_for_packers():
        group = Group.objects.create(name="packers")
        ship.groups.add(group)
        return group

    def offered(number):
        return {tool["function"]["name"] for tool in upstream.requests[number]["tools"]}

    group = await chat.runtime.database(keep_for_packers)
    plays(upstream)
    await chat.events((await chat.ask()).run)
    await chat.runtime.database(chat.user.groups.add, group)
    await chat.events((await chat.ask()).run)
    assert ("ship" in offered(0), "ship" in offered(1)) == (False, True)


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


async def test_an_approved_call_is_made_with_the_arguments_as_they_were_edited(chat, upstream, server, ship):

    await chat.runtime.database(WebhookTool.objects.update, needs_approval=True)
    server.then(answer(200, b'{"result": 1}'))
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat)
    await chat.runtime.database(
        lambda: decide(chat.user, row.pk, "approve", chat.runtime, arguments={"to": "Bob"})
    )
    await chat.events(started.run)
    assert json.loads(server.requests[0].body)["arguments"] == {"to": "Bob"}


async def test_arguments_that_do_not_fit_cannot_be_approved(chat, upstream, server, ship):

    await chat.runtime.database(WebhookTool.objects.update, needs_approval=True)
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat)
    with pytest.raises(InvalidRequest, match="required property"):
        await chat.runtime.database(
            lambda: decide(chat.user, row.pk, "approve", chat.runtime, arguments={"x": 1})
        )


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


async def test_a_worker_whose_line_broke_when_it_noted_the_call_goes_on(chat, upstream, server, ship, worker):
    """The note was written, and the worker was not told so."""
    broken = []

    def break_after(execute, sql, *rest):
        done = execute(sql, *rest)
        if "INSERT" in sql and "chat_tooldelivery" in sql and not broken:
            broken.append(sql)
            raise OperationalError("the line broke")
        return done

    def call():
        with connection.execute_wrapper(break_after):
            return webhooks.tool_caller().call(row.pk, node=None, told=lambda run: None)

    server.then(answer(202))
    worker.stop()
    await ask_to_ship(chat, upstream)
    async with asyncio.timeout(20):
        while not await chat.runtime.database(ToolInvocation.objects.filter(name="ship").exists):
            await asyncio.sleep(0.02)
    row = await row_of(chat)
    assert await asyncio.to_thread(call) == "waiting"
    assert broken
    assert await chat.runtime.database(ToolDelivery.objects.count) == 1


async def test_a_worker_that_knows_no_address_of_the_site_says_so(chat, upstream, server, ship, settings):
    settings.PUBLIC_URL = ""
    started = await ask_to_ship(chat, upstream)
    await chat.events(started.run)
    assert not server.requests
    assert "not set up" in told_to_the_model(upstream)


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
