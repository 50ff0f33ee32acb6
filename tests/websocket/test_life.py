"""A consumer's life on the event loop: what it leaves behind, however it ends."""

import asyncio
import json
import threading
import uuid
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.sessions.models import Session
from django.test import Client

from chat import wiring
from chat.models import LanguageModel, Provider, User
from chat.websocket.consumers import sockets
from chat.websocket.routing import websocket_application
from tests.fakes.upstream import fake_upstream

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def runtime(transactional_db, settings):
    settings.REDIS_URL = ""
    yield await wiring.startup()
    await wiring.shutdown(grace_seconds=0)


@pytest.fixture
async def lines(runtime):
    """Makes application instances with the cookie of one sign-in, without a server around them, and not opened yet."""

    def cookie():
        user = User.objects.create(username="alice")
        client = Client()
        client.force_login(user)
        return f"sessionid={client.cookies['sessionid'].value}"

    headers = [
        (b"origin", b"http://localhost"),
        (b"host", b"localhost"),
        (b"cookie", (await runtime.database(cookie)).encode()),
    ]
    return lambda application: WebsocketCommunicator(application, "/ws/chat/", headers=headers)


async def opened(line):
    assert (await line.connect())[0]
    assert json.loads(await line.receive_from())["type"] == "ready"
    return line


@pytest.fixture
async def tab(lines):
    return await opened(lines(websocket_application))


async def test_a_consumer_that_is_cancelled_gives_its_place_and_its_tasks_back(tab):
    assert len(sockets) == 1
    tab.future.cancel()
    await asyncio.wait([tab.future], timeout=5)
    await asyncio.sleep(0.05)
    assert len(sockets) == 0
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "socket writer"] == []


async def test_a_consumer_that_is_disconnected_does_too(tab):
    await tab.disconnect()
    assert len(sockets) == 0


async def test_the_reply_to_the_third_nonsense_is_still_sent(tab):
    for _ in range(3):
        await tab.send_to(text_data="nonsense")
    replies = [json.loads(await tab.receive_from(timeout=5)) for _ in range(3)]
    assert [reply["error"]["code"] for reply in replies] == ["bad_frame"] * 3
    assert (await tab.receive_output(timeout=5)) == {"type": "websocket.close", "code": 4422}


@pytest.fixture
async def upstream():
    async with fake_upstream() as fake:
        yield fake


@pytest.fixture
async def question(runtime, upstream):
    """A start of a run whose provider says hello."""

    def prepare():
        provider = Provider.objects.create(name="fake", base_url=upstream.base_url)
        return LanguageModel.objects.create(provider=provider, name="m").full_name

    return json.dumps(
        {
            "type": "run.start",
            "key": str(uuid.uuid4()),
            "models": [await runtime.database(prepare)],
            "content": [{"type": "text", "text": "hello"}],
        }
    )


async def test_a_start_repeated_after_the_log_has_forgotten_still_gets_its_events(runtime, tab, question):
    await tab.send_to(text_data=question)
    await frames_until(tab, "run.finished")
    runtime.log._runs.clear()
    runtime.log._ended.clear()
    await tab.send_to(text_data=question)
    events = await frames_until(tab, "run.finished")
    assert [event["type"] for event in events] == ["run.snapshot", "run.finished"]
    assert events[0]["state"]["steps"][0]["parts"] == [{"type": "text", "text": "Hello"}]


async def test_credit_ends_at_256_kb_and_a_larger_event_goes_alone(tab, runtime, upstream, question):
    sizes, heard = [100_000, 100_000, 100_000, 300_000, 10], asyncio.Semaphore(0)

    async def play(answer):
        for size in sizes:
            await answer.say("x" * size)
            await asyncio.wait_for(heard.acquire(), 30)
        await answer.end()

    async def next_text():
        while True:
            frame = json.loads(await tab.receive_from(timeout=10))
            if frame["type"] == "event" and frame["event"]["type"] == "text.delta":
                heard.release()
                return frame

    async def pay(frame):
        await tab.send_to(
            text_data=json.dumps({"type": "ack", "run": frame["run"], "cursor": frame["cursor"]})
        )

    upstream.play = play
    await tab.send_to(text_data=question)
    texts = [await next_text(), await next_text()]
    assert await tab.receive_nothing(timeout=0.5)
    await pay(texts[-1])
    texts.append(await next_text())
    assert await tab.receive_nothing(timeout=0.5)
    await pay(texts[-1])
    texts.append(await next_text())
    assert await tab.receive_nothing(timeout=0.5)
    await pay(texts[-1])
    texts.append(await next_text())
    assert [len(frame["event"]["text"]) for frame in texts] == sizes


async def test_a_run_that_has_ended_is_let_go(tab, question):
    await tab.send_to(text_data=question)
    await frames_until(tab, "run.finished")
    consumer: Any = next(iter(sockets._sockets))
    assert len(consumer._subscriptions) == 0


async def test_a_tab_is_told_when_what_others_make_arrives_late_and_when_no_more(runtime, tab, monkeypatch):
    consumer: Any = next(iter(sockets._sockets))
    late = [True]
    monkeypatch.setattr(type(consumer._subscriptions), "delayed", property(lambda subscriptions: late[0]))
    for delayed in (True, False):
        late[0] = delayed
        told = json.loads(await tab.receive_from(timeout=5))
        assert told == {"type": "notice", "name": "live.delayed", "delayed": delayed}
    assert await tab.receive_nothing(timeout=1.2)


def sign_out(user):
    Session.objects.all().delete()


def change_password(user):
    User.objects.filter(pk=user.pk).update(password="another")


def deactivate(user):
    User.objects.filter(pk=user.pk).update(is_active=False)


@pytest.mark.parametrize("revoke", [sign_out, change_password, deactivate])
async def test_a_sign_in_that_is_taken_back_closes_the_socket_within_two_seconds(runtime, tab, revoke):
    user = await runtime.database(User.objects.get)
    await runtime.database(revoke, user)
    assert (await tab.receive_output(timeout=20)) == {"type": "websocket.close", "code": 4401}


async def test_a_slow_reader_whose_sign_in_is_taken_back_is_not_told_the_rest(tab, lines, question):
    await tab.send_to(text_data=question)
    run = json.loads(await tab.receive_from(timeout=5))["run"]
    await frames_until(tab, "run.finished")
    others, reads_on = set(sockets._sockets), asyncio.Event()

    async def read_slowly(scope, receive, send):
        async def send_slowly(message):
            await send(message)
            if '"type":"event"' in message.get("text", ""):
                await reads_on.wait()

        await websocket_application(scope, receive, send_slowly)

    slow = await opened(lines(read_slowly))
    (consumer,) = set(sockets._sockets) - others
    await slow.send_to(text_data=json.dumps({"type": "run.follow", "run": run}))
    assert [json.loads(await slow.receive_from())["type"] for _ in range(2)] == ["reply", "event"]
    consumer.revoke()
    reads_on.set()
    assert (await slow.receive_output()) == {"type": "websocket.close", "code": 4401}


async def test_while_the_database_does_not_answer_a_socket_is_asked_to_come_back(runtime, lines, settings):
    settings.DATABASE_WAIT_SECONDS = 0.1
    answers = threading.Event()
    busy = [asyncio.create_task(runtime.database(answers.wait)) for _ in range(settings.DATABASE_THREADS)]
    line = lines(websocket_application)
    try:
        assert (await line.connect())[0]
        assert (await line.receive_output(timeout=5)) == {"type": "websocket.close", "code": 4503}
    finally:
        answers.set()
        await asyncio.gather(*busy)
    assert len(sockets) == 0


async def test_a_sign_in_that_stands_keeps_its_socket(tab):
    assert await tab.receive_nothing(timeout=2.5)
    await tab.send_to(text_data='{"type":"ping"}')
    assert json.loads(await tab.receive_from()) == {"type": "pong"}


async def frames_until(tab, last):
    events = []
    while not events or events[-1]["type"] != last:
        frame = json.loads(await tab.receive_from(timeout=10))
        if frame["type"] == "event":
            events.append(frame["event"])
    return events
