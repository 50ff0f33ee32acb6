"""/livez and /metrics: who is answered, and what everybody else sees."""

from typing import Any

import pytest
from django.conf import settings as site_settings

from project.asgi import application
from project.machine_pages import MachinePages, may_read_metrics
from tests.project.asgi import get
from tests.telemetry.reading import figures

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "0123456789abcdef0123"


def scope(client: str | None = "127.0.0.1", **headers: str) -> dict[str, Any]:
    named = {"host": "127.0.0.1:8000"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        "client": None if client is None else (client, 40000),
    }


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_without_a_token_this_machine_may_read(client: str, host: str):
    assert may_read_metrics(scope(client, host=host), "")


@pytest.mark.parametrize(
    "client", ["192.168.1.7", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "", None, "unix:"]
)
def test_without_a_token_no_other_machine_may(client: str | None):
    assert not may_read_metrics(scope(client), "")


@pytest.mark.parametrize(
    "header", ["x_forwarded_for", "x_forwarded_proto", "x_forwarded_host", "forwarded", "x_real_ip", "via"]
)
def test_without_a_token_nobody_may_through_a_proxy_on_this_machine(header: str):
    assert not may_read_metrics(scope(**{header: "127.0.0.1"}), "")


@pytest.mark.parametrize("host", ["chat.example.org", "127.0.0.1.example.org", "", "10.0.0.1:8000"])
def test_without_a_token_nobody_may_by_another_name(host: str):
    """A proxy that says nothing of its client, or a name that somebody points at this machine."""
    assert not may_read_metrics(scope(host=host), "")


@pytest.mark.parametrize("client", ["127.0.0.1", "203.0.113.9", None])
def test_with_a_token_whoever_sends_it_may(client: str | None):
    sent = scope(
        client, authorization=f"Bearer {TOKEN}", x_forwarded_for="203.0.113.9", host="chat.example.org"
    )
    assert may_read_metrics(sent, TOKEN)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer é",
    ],
)
def test_with_a_token_nobody_else_may_not_even_from_here(sent: str):
    assert not may_read_metrics(scope(authorization=sent), TOKEN)


async def test_who_may_gets_figures():
    answer = await get(application, "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["cache-control"] == "no-store"
    assert figures(answer.text)["lectern_database_up"] == 1


async def test_openmetrics_is_spoken_where_it_is_asked_for():
    answer = await get(
        application, "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_who_may_not_gets_what_any_absent_page_gives():
    stranger = ("203.0.113.9", 40000)
    refused = await get(application, "/metrics", client=stranger)
    absent = await get(application, "/metricz", client=stranger)
    assert refused.status_code == absent.status_code == 404
    assert refused.text.replace("/metrics", "") == absent.text.replace("/metricz", "")
    assert set(refused.headers) == set(absent.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_nothing_can_be_changed(method: str):
    assert (await get(application, "/metrics", method=method)).status_code in (403, 404)


async def test_head_gives_the_head():
    answer = await get(application, "/livez", method="HEAD")
    assert (answer.status_code, answer.text) == (200, "")
    assert int(answer.headers["content-length"]) > 0


async def test_a_probe_is_answered_whatever_name_it_uses_and_without_https(settings):
    settings.HTTPS = settings.SECURE_SSL_REDIRECT = True
    for path in ("/livez", "/readyz"):
        answer = await get(application, path, host="10.1.2.3")
        assert answer.status_code == 200, path
    assert (await get(application, "/metrics")).status_code == 200


async def test_everything_else_is_passed_on():
    seen = []

    async def inner(scope, receive, send):
        seen.append(scope["path"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    for path in ("/", "/livez/", "/metrics/", "/readyzz"):
        assert (await get(MachinePages(inner), path)).status_code == 204
    assert seen == ["/", "/livez/", "/metrics/", "/readyzz"]


def test_no_token_is_set_by_default():
    assert site_settings.METRICS_TOKEN == ""


@pytest.mark.parametrize(("token", "found"), [("", []), ("short", ["chat.E003"]), (TOKEN, [])])
def test_a_token_that_can_be_guessed_is_refused_at_the_start(settings, token: str, found: list[str]):
    from chat.checks import metrics_token_cannot_be_guessed

    settings.METRICS_TOKEN = token
    assert [error.id for error in metrics_token_cannot_be_guessed()] == found
