"""A socket that is opened with an API token."""

import json
import time
import uuid
from datetime import timedelta

import pytest
from channels.testing import WebsocketCommunicator
from django.utils import timezone

from chat import wiring
from chat.models import ApiToken, LanguageModel, Provider, Run, User
from chat.websocket.auth import Credential, bearer, still_good
from chat.websocket.routing import websocket_application
from tests.factories import ApiTokenFactory, UserFactory
from tests.fakes.upstream import fake_upstream

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "lct_of-alice"


@pytest.fixture
async def runtime(transactional_db, settings):
    settings.REDIS_URL = ""
    yield await wiring.startup()
    await wiring.shutdown(grace_seconds=0)


@pytest.fixture
async def token(runtime):
    def make():
        return ApiTokenFactory.create(owner=UserFactory.create(username="alice"), secret=SECRET)

    return await runtime.database(make)


def line(secret=SECRET, *more):
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {secret}".encode()), *more]
    return WebsocketCommunicator(websocket_application, "/ws/chat/", headers=headers)


async def opened(secret=SECRET):
    socket = line(secret)
    assert (await socket.connect())[0]
    assert json.loads(await socket.receive_from(timeout=5))["type"] == "ready"
    return socket


async def said(socket, type_):
    while True:
        frame = json.loads(await socket.receive_from(timeout=10))
        if frame["type"] == type_:
            return frame


async def asked(socket, type_, **fields):
    await socket.send_to(text_data=json.dumps({"type": type_, "ref": 1, **fields}))
    return await said(socket, "reply")


def start(model):
    return {
        "key": str(uuid.uuid4()),
        "models": [model],
        "content": [{"type": "text", "text": "Hello"}],
    }


@pytest.mark.parametrize("origin", [None, b"http://evil.example"])
async def test_the_origin_is_not_asked(token, origin):
    socket = line(SECRET, *([(b"origin", origin)] if origin else []))
    assert (await socket.connect())[0]
    ready = json.loads(await socket.receive_from(timeout=5))
    assert (ready["type"], ready["user"]) == ("ready", str(token.owner_id))
    await socket.disconnect()


async def test_a_wrong_token_is_closed_as_signed_out_also_beside_a_session(token, runtime):
    def cookie():
        from django.test import Client

        client = Client()
        client.force_login(User.objects.get())
        return f"sessionid={client.cookies['sessionid'].value}".encode()

    socket = line("lct_wrong", (b"cookie", await runtime.database(cookie)), (b"origin", b"http://localhost"))
    assert (await socket.connect())[0]
    assert await socket.receive_output(timeout=5) == {"type": "websocket.close", "code": 4401}


async def test_a_host_that_is_not_ours_is_refused_all_the_same(token):
    headers = [(b"host", b"evil.example"), (b"authorization", f"Bearer {SECRET}".encode())]
    socket = WebsocketCommunicator(websocket_application, "/ws/chat/", headers=headers)
    assert not (await socket.connect())[0]


@pytest.mark.parametrize("how", ["revoked", "expired", "deactivated", "deleted"])
async def test_a_token_that_ends_takes_its_socket_along(token, runtime, how):
    def end():
        if how == "revoked":
            ApiToken.objects.revoke(timezone.now())
        elif how == "expired":
            ApiToken.objects.update(expires_at=timezone.now())
        elif how == "deactivated":
            User.objects.update(is_active=False)
        else:
            ApiToken.objects.all().delete()

    socket = await opened()
    await runtime.database(end)
    began = time.monotonic()
    assert await socket.receive_output(timeout=20) == {"type": "websocket.close", "code": 4401}
    assert time.monotonic() - began < 20


async def test_a_command_needs_its_scope(token, runtime):
    await runtime.database(lambda: ApiToken.objects.update(scopes=["runs:read"]))
    socket = await opened()
    reply = await asked(socket, "run.start", **start("demo/x"))
    assert reply["error"]["code"] == "forbidden"
    assert "runs:write" in reply["error"]["message"]
    assert (await asked(socket, "run.follow", run=str(uuid.uuid4())))["error"]["code"] == "not_found"
    decision = {"invocation": str(uuid.uuid4()), "decision": "approve"}
    assert (await asked(socket, "invocation.decide", **decision))["error"]["code"] == "forbidden"
    await socket.disconnect()


async def test_news_are_for_who_may_read(token, runtime):
    await runtime.database(lambda: ApiToken.objects.update(scopes=["runs:write"]))
    socket = await opened()
    runtime.announce(token.owner_id, "conversation.updated", {"title": "secret plan"})
    await socket.send_to(text_data=json.dumps({"type": "ping"}))
    assert json.loads(await socket.receive_from(timeout=5))["type"] == "pong"
    assert await socket.receive_nothing(timeout=0.2)
    await socket.disconnect()


async def test_a_run_says_by_which_token_it_was_started(token, runtime):
    async with fake_upstream() as upstream:

        def offer():
            provider = Provider.objects.create(name="demo", base_url=upstream.base_url)
            LanguageModel.objects.create(provider=provider, name="x")

        await runtime.database(offer)
        socket = await opened()
        reply = await asked(socket, "run.start", **start("demo/x"))
        assert reply["ok"], reply
        run = await runtime.database(lambda: Run.objects.get())
        assert (run.token_id, run.user_id) == (token.pk, token.owner_id)
        await socket.disconnect()


def test_tokens_and_sessions_are_looked_at_together(alice):
    good = ApiTokenFactory.create(owner=alice)
    late = ApiTokenFactory.create(owner=alice, expires_at=timezone.now() - timedelta(seconds=1))
    first, second = (Credential("", alice.pk, "", one.pk) for one in (good, late))
    stranger = Credential("nonsense", alice.pk, alice.password)
    assert still_good([first, second, stranger]) == {first}


@pytest.mark.parametrize(
    ("header", "secret"),
    [(b"Bearer abc", "abc"), (b"bearer  abc ", "abc"), (b"Bearer", ""), (b"Basic abc", None), (b"", None)],
)
def test_the_token_is_read_from_its_header(header, secret):
    assert bearer({"headers": [(b"authorization", header)]}) == secret
