"""What lines say of the request they belong to, and the line each request gets."""

import asyncio
import uuid
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from project.request_lines import RequestLines, shown
from tests.project.asgi import get

pytestmark = pytest.mark.django_db(transaction=True)

logger = structlog.get_logger("tests")


async def site(scope: Any, _receive: Any, send: Any) -> None:
    await asyncio.to_thread(logger.info, "from a view's thread")
    status = 404 if scope["path"] == "/absent" else 200
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]}
    )
    await send({"type": "http.response.body", "body": b"hello"})


async def lines(path: str = "/c/", **more: Any) -> tuple[Any, list[Any]]:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as seen:
        answer = await get(RequestLines(site), path, **more)
    return answer, seen


async def test_a_line_of_a_view_says_which_request_it_belongs_to():
    answer, (said, _) = await lines()
    assert said["event"] == "from a view's thread"
    assert (said["method"], said["path"]) == ("GET", "/c/")
    assert said["request_id"] == answer.headers["x-request-id"]


async def test_each_request_has_one_line_once_it_is_answered():
    _, (_, line) = await lines("/absent", method="HEAD")
    assert (line["event"], line["log_level"]) == ("request", "info")
    assert (line["method"], line["path"], line["status"]) == ("HEAD", "/absent", 404)
    assert line["duration_ms"] >= 0


async def test_nothing_of_a_request_stays_with_what_comes_after():
    await lines()
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize("given", ["abc-123", "a" * 128, "Root=1-67891233-abcdef012345678912345678"])
async def test_an_id_from_in_front_is_kept_and_sent_back(given: str):
    answer, (said, _) = await lines(headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == said["request_id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "two words", "<script>", 'a"b', "ü"])
async def test_an_id_that_is_not_sane_is_replaced(given: str):
    answer, (said, _) = await lines(headers={"X-Request-ID": given.encode()})
    assert answer.headers["x-request-id"] == said["request_id"] != given
    assert len(said["request_id"]) == 32


async def test_static_files_have_no_line():
    _, seen = await lines("/static/chat/main.js")
    assert [line["event"] for line in seen] == ["from a view's thread"]


async def test_the_line_can_be_switched_off(settings):
    settings.ACCESS_LOG = False
    _, seen = await lines()
    assert [line["event"] for line in seen] == ["from a view's thread"]


async def test_what_probes_ask_has_no_line():
    from project.asgi import application

    with capture_logs() as seen:
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await get(application, path)).status_code == 200
    # Their threads may say something about a part that another test has taken away.
    assert [line for line in seen if line["event"] == "request"] == []


async def test_a_client_that_goes_away_is_a_line_without_a_status():
    async def slow(*_: Any) -> None:
        raise asyncio.CancelledError

    with capture_logs() as seen, pytest.raises(asyncio.CancelledError):
        await RequestLines(slow)({"type": "http", "method": "GET", "path": "/", "headers": []}, slow, slow)
    assert [(line["event"], line["status"]) for line in seen] == [("request", 0)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/accounts/login/", "/accounts/login/"),
        ("/accounts/setup/Zm9vYmFyYmF6cXV4cXV1eA/", "/accounts/setup/Zm9v…/"),
        (f"/c/{uuid.UUID(int=7)}/", f"/c/{uuid.UUID(int=7)}/"),
    ],
)
def test_what_opens_something_is_not_shown_in_a_path(path: str, expected: str):
    assert shown(path) == expected
