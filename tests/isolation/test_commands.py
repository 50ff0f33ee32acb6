"""Every command of the socket, said by everybody else about what is Alice's."""

import json
from typing import Any, get_args
from uuid import uuid4

import pytest
from channels.testing import WebsocketCommunicator
from django.test import Client

from chat import wiring
from chat.models import Run, User
from chat.websocket import commands
from chat.websocket.routing import websocket_application
from tests.factories import ApiTokenFactory, UserFactory
from tests.isolation.rows import COMMANDS, HERS, Row
from tests.isolation.world import World, world_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_columns]


@pytest.fixture
async def runtime(transactional_db, settings):
    settings.REDIS_URL = ""
    yield await wiring.startup()
    await wiring.shutdown(grace_seconds=0)


@pytest.fixture
async def world(runtime) -> World:
    return await runtime.database(lambda: world_of(UserFactory.create(username="alice")))


def session_of(user: User) -> tuple[str, str]:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return "cookie", f"sessionid={client.cookies['sessionid'].value}"


def nobody(world: World) -> tuple[str, str]:
    return "cookie", "sessionid=0123456789abcdef"


def deactivated(world: World) -> tuple[str, str]:
    header = session_of(world.owner)
    User.objects.filter(pk=world.owner.pk).update(is_active=False)
    return header


def another(world: World) -> tuple[str, str]:
    return session_of(UserFactory.create())


def staff(world: World) -> tuple[str, str]:
    return session_of(UserFactory.create(is_staff=True))


def foreign_token(world: World) -> tuple[str, str]:
    ApiTokenFactory.create(secret="lct_foreign")
    return "authorization", "Bearer lct_foreign"


def bare_token(world: World) -> tuple[str, str]:
    ApiTokenFactory.create(owner=world.owner, scopes=[], secret="lct_bare")
    return "authorization", "Bearer lct_bare"


def deactivated_token(world: World) -> tuple[str, str]:
    header = bare_token(world)
    User.objects.filter(pk=world.owner.pk).update(is_active=False)
    return header


async def opened(runtime: Any, world: World, who: Any) -> WebsocketCommunicator:
    header = await runtime.database(who, world)
    asked = {"host": "localhost", "origin": "http://localhost", header[0]: header[1]}
    line = WebsocketCommunicator(
        websocket_application, "/ws/chat/", headers=[(k.encode(), v.encode()) for k, v in asked.items()]
    )
    assert (await line.connect())[0]
    return line


def frame_of(world: World, name: str, row: Row) -> str:
    frame = {"type": name, "ref": 1, **(row.body or {})}
    if name == "run.start":
        frame |= {"key": str(uuid4()), "models": [world.model], "content": [{"type": "text", "text": "mine"}]}
    text = json.dumps(frame)
    for key in world.rows:
        text = text.replace(f"{{{key}}}", world.key(key))
    return text


def test_each_command_has_a_row():
    there = {command.__struct_config__.tag for command in get_args(commands.Command)}
    assert set(COMMANDS) == there, "add rows to tests/isolation/rows.py"


@pytest.mark.parametrize("who", [nobody, deactivated, deactivated_token], ids=lambda who: who.__name__)
async def test_who_is_not_signed_in_says_nothing(runtime, world, who):
    line = await opened(runtime, world, who)
    assert await line.receive_output(timeout=10) == {"type": "websocket.close", "code": 4401}


@pytest.mark.parametrize("who", [another, staff, foreign_token, bare_token], ids=lambda who: who.__name__)
async def test_commands_tell_nothing_of_hers(runtime, world, who):
    line = await opened(runtime, world, who)
    ready = await line.receive_from(timeout=10)
    assert json.loads(ready)["type"] == "ready"
    before = await runtime.database(world.state)
    for name, row in COMMANDS.items():
        asked = frame_of(world, name, row)
        await line.send_to(text_data=asked)
        if name == "ack":
            continue
        heard = await line.receive_from(timeout=10)
        assert list(world.told(heard, asked=asked)) == [], name
        reply = json.loads(heard)
        if row.kind is HERS:
            assert reply["error"]["code"] == ("forbidden" if who is bare_token else "not_found"), name
        else:
            assert reply == {"type": "pong"} or (reply["ok"], set(reply)) == (True, {"type", "ref", "ok"})
    assert await line.receive_nothing(timeout=0.3)
    assert await runtime.database(world.state) == before
    assert await runtime.database(Run.objects.count) == 1
    await line.disconnect()


async def test_the_key_of_her_start_gives_nobody_her_run(runtime, world):
    key = await runtime.database(lambda: str(Run.objects.get().start_key))
    line = await opened(runtime, world, another)
    await line.receive_from(timeout=10)
    asked = json.dumps({"type": "run.start", "ref": 1, "key": key, "models": ["no/model"], "content": None})
    await line.send_to(text_data=asked)
    heard = await line.receive_from(timeout=10)
    assert json.loads(heard)["error"]["code"] == "model_not_available"
    assert list(world.told(heard, asked=asked)) == []
    await line.disconnect()
