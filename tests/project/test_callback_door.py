"""Callbacks of webhook tools do not go through what pages go through; all else does."""

import json
import time
from typing import Any

import httpx
import pytest

from chat import wiring
from chat.exceptions import StorageUnavailable
from chat.webhooks.signing import new_secret, sign
from project.callback_door import CallbackDoor
from tests.factories import RunFactory, ToolInvocationFactory, WebhookToolFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.both_columns,
    pytest.mark.usefixtures("office"),
]

SECRET = new_secret()
BODY = json.dumps({"status": "succeeded", "result": "1Z"}).encode()


@pytest.fixture
def called(alice):
    return ToolInvocationFactory.create(
        run=RunFactory.create(conversation__owner=alice, status="waiting", epoch=1),
        kind="webhook",
        waits_for="callback",
        attempts=1,
        webhook_tool=WebhookToolFactory.create(secret=SECRET),
        deadline_at=None,
    )


async def pages(scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b"a page"})


async def ask(door: Any, method: str, path: str, **more: Any) -> httpx.Response:
    transport = httpx.ASGITransport(door)
    async with httpx.AsyncClient(transport=transport, base_url="http://any.example") as asking:
        return await asking.request(method, path, **more)


async def test_a_callback_is_taken_whatever_host_it_names(called, office):
    headers = sign([SECRET], "msg_1", int(time.time()), BODY)
    path = f"/webhooks/invocations/{called.pk}"
    answer = await ask(CallbackDoor(pages), "POST", path, content=BODY, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "repeated": False})
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.cookies == {}
    assert office.woken_runs == [called.run_id]


async def test_what_is_refused_is_told_as_everywhere(called):
    path = f"/webhooks/invocations/{called.pk}"
    answer = await ask(CallbackDoor(pages), "POST", path, content=BODY)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await ask(CallbackDoor(pages), "GET", path)).status_code == 405


async def test_the_flat_form_is_taken_here_too():
    answer = await ask(CallbackDoor(pages), "POST", "/webhook/callback", content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_frame")


@pytest.mark.parametrize(
    "path", ["/", "/webhooks/", "/webhooks/invocations/none", "/webhook/callback/more", "/c/webhooks/"]
)
async def test_all_else_goes_on_to_the_pages(path):
    assert (await ask(CallbackDoor(pages), "POST", path)).text == "a page"


async def test_where_no_thread_is_free_in_time_it_is_told_to_come_again():
    async def busy(*_: Any) -> None:
        raise StorageUnavailable(retry_after_seconds=2)

    answer = await ask(CallbackDoor(pages, busy), "POST", "/webhook/callback", content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert answer.headers["retry-after"] == "2"


async def test_a_mistake_of_ours_is_an_answer_too(called, monkeypatch):
    monkeypatch.setattr(wiring, "runtime", lambda: 1 / 0)
    door = CallbackDoor(pages)
    answer = await ask(door, "POST", f"/webhooks/invocations/{called.pk}", content=BODY)
    assert answer.status_code == 500


async def test_who_goes_away_in_the_middle_of_it_is_let_go():
    said: list[Any] = []

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    async def hear(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": "/webhook/callback", "headers": []}
    await CallbackDoor(pages)(scope, gone, hear)
    assert said == []
