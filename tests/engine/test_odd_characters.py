"""Characters that PostgreSQL does not take, wherever they come from, keep nothing from being stored."""

import json
import uuid

import pytest

from chat.actions.runs import StartRequest, start_runs
from chat.exceptions import ModelNotAvailable
from tests.fakes.upstream import DONE

pytestmark = pytest.mark.django_db(transaction=True)

NUL = "a\0b"
SEEN = "a\ufffdb"


def event(body):
    return b"data: " + json.dumps(body).encode() + b"\n\n"


async def test_an_answer_full_of_them_is_stored(chat, upstream):
    async def play(answer):
        delta = {
            "content": NUL,
            "reasoning": NUL,
            "reasoning_details": [{"type": "reasoning.text", "text": NUL, "signature": NUL, "index": 0}],
        }
        await answer.send(event({"id": NUL, "model": NUL, "choices": [{"index": 0, "delta": delta}]}))
        await answer.send(event({"id": NUL, "choices": [{"index": 0, "delta": {}, "finish_reason": NUL}]}))
        await answer.send(DONE)

    upstream.play = play
    started = await chat.ask(NUL)
    end = (await chat.events(started.run))[-1]
    assert end["status"] == "completed"
    assert (await chat.answer(started)).text == SEEN


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_an_error_full_of_them_is_stored(chat, upstream, status):
    await chat.provider(attempts=1)
    upstream.refuse(status, {"error": {"message": NUL, "code": NUL, "type": NUL}})
    started = await chat.ask("hello")
    end = (await chat.events(started.run))[-1]
    assert end["status"] == "failed"
    assert end["error"]["code"] != "internal"
    assert (await chat.calls())[0].outcome == end["error"]["code"]


async def test_an_error_in_mid_answer_full_of_them_is_stored(chat, upstream):
    await chat.provider(attempts=1)

    async def play(answer):
        await answer.say("half")
        await answer.send(event({"error": {"message": NUL, "code": NUL, "type": NUL}}))

    upstream.play = play
    started = await chat.ask("hello")
    assert (await chat.events(started.run))[-1]["error"]["code"] != "internal"
    assert (await chat.answer(started)).text == "half"


async def test_options_full_of_them_are_stored(chat):
    options = {"system": NUL, "response_schema": {NUL: [NUL]}}
    started = await chat.ask("hello", options=options)
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    assert (await chat.row(started.run)).options == {"system": SEEN, "response_schema": {SEEN: [SEEN]}}


@pytest.mark.parametrize("name", [NUL, f"{NUL}/{NUL}", f"fake/{NUL}"])
async def test_no_model_has_such_a_name(chat, name):
    request = StartRequest(key=uuid.uuid4(), models=(name,), content=[{"type": "text", "text": "hello"}])
    with pytest.raises(ModelNotAvailable):
        await chat.runtime.database(start_runs, chat.user, request, chat.runtime)
