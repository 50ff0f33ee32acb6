"""/metrics of the real server: after an answer, a stop, a failure and a rescue."""

import asyncio
import json
import signal
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.live import LiveSite, Person, Socket, copy_site, text_of, words
from tests.telemetry.reading import Figures, figures

pytestmark = pytest.mark.server

SLOW = "demo-n200-r100-d20"
SPEAKS_JSON = {"LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG"}


@pytest.fixture(params=["daphne", "uvicorn"])
def site(request: pytest.FixtureRequest, prepared_folder: Path, tmp_path: Path):
    folder = tmp_path / "data"
    copy_site(prepared_folder, folder)
    live = LiveSite(folder, settings=SPEAKS_JSON)
    live.start("--server", request.param)
    yield live
    if live.process is not None:
        live.stop(signal.SIGKILL)


def scrape(site: LiveSite) -> Figures:
    answer = httpx.get(f"{site.url}/metrics", timeout=10)
    assert answer.status_code == 200
    return figures(answer.text)


def counted(site: LiveSite, name: str, value: float) -> Figures:
    """The figures once this one has come; what is told to the client is counted a moment later."""
    give_up_at = time.monotonic() + 20
    while (seen := scrape(site)).get(name) != value:
        assert time.monotonic() < give_up_at, (name, seen.get(name))
        time.sleep(0.05)
    return seen


def lines_of(site: LiveSite) -> list[dict[str, Any]]:
    return [json.loads(line) for line in site.log.splitlines() if line.startswith("{")]


async def begin(tab: Socket, model: str, text: str = "hello") -> str:
    content = [{"type": "text", "text": text}]
    reply = await tab.ask("run.start", key=str(uuid.uuid4()), models=[f"demo/{model}"], content=content)
    assert reply["ok"], reply
    return str(reply["run"])


async def whole(tab: Socket) -> str:
    run = await begin(tab, "demo-n300-r0-d0")
    assert text_of(await tab.events(run)) == words(300)
    return run


async def stopped(tab: Socket) -> str:
    run = await begin(tab, SLOW)
    await tab.events(run, until="text.delta")
    await tab.ask("run.stop", run=run)
    assert (await tab.events(run))[-1]["event"]["status"] == "stopped"
    return run


async def failed(tab: Socket) -> str:
    run = await begin(tab, "demo", "fail:401")
    assert (await tab.events(run))[-1]["event"]["error"]["code"] == "provider_auth"
    return run


async def test_an_answer_a_stop_and_a_failure_show(site: LiveSite):
    alice: Person = site.sign_in()
    async with alice.socket() as tab:
        runs = [await whole(tab), await stopped(tab), await failed(tab)]
        seen = counted(site, 'lectern_runs_ended_total{status="failed"}', 1)
        assert seen["lectern_sockets_open"] == 1
    assert seen['lectern_runs_ended_total{status="completed"}'] == 1
    assert seen['lectern_runs_ended_total{status="stopped"}'] == 1
    assert seen['lectern_run_errors_total{code="provider_auth"}'] == 1
    assert seen['lectern_tokens_total{kind="output",model="demo-n300-r0-d0",provider="demo"}'] == 300
    assert seen['lectern_model_calls_total{outcome="provider_auth",provider="demo"}'] == 1
    assert seen["lectern_run_stop_seconds_count"] == 1
    assert seen["lectern_run_first_token_seconds_count"] == 2
    assert seen["lectern_deltas_told_total"] > 0
    assert seen["lectern_event_bytes_told_total"] > 300 * len("w0 ")
    assert seen["lectern_runs_here"] == seen['lectern_runs_open{status="running"}'] == 0
    assert seen['lectern_nodes_alive{kind="web"}'] == 1
    assert seen['lectern_breaker_state{provider="demo",state="closed"}'] == 1
    assert seen['lectern_queue_depth{queue="maintenance"}'] == 0
    assert seen["process_resident_memory_bytes"] > 1e7
    counted(site, "lectern_sockets_open", 0)

    lines = lines_of(site)
    assert [line["run"] for line in lines if line["event"] == "run ended"] == runs
    [refused] = [line for line in lines if line["event"] == "model call failed"]
    assert refused["run"] == runs[-1]
    assert refused["conversation"]
    [closed] = [line for line in lines if line["event"] == "socket closed"]
    assert closed["user"]
    assert closed["socket"]
    requests = [
        (line["method"], line["path"], line["status"]) for line in lines if line["event"] == "request"
    ]
    assert requests == [("GET", "/accounts/login/", 200), ("POST", "/accounts/login/", 302)]


def test_openmetrics_can_be_read_strictly(site: LiveSite):
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    families = list(text_string_to_metric_families(httpx.get(f"{site.url}/metrics", headers=accept).text))
    assert {"lectern_runs_ended", "process_cpu_seconds"} <= {family.name for family in families}
    assert [family.name for family in families if not family.documentation] == []


def test_nobody_reads_them_through_a_proxy(site: LiveSite):
    through = {"X-Forwarded-For": "127.0.0.1"}
    assert httpx.get(f"{site.url}/metrics", headers=through).status_code == 404
    assert httpx.get(f"{site.url}/metrics", headers={"Host": "chat.example.org"}).status_code in (400, 404)


async def test_a_run_that_was_taken_over_shows(mortal_site: LiveSite):
    site = mortal_site
    alice = site.sign_in()
    async with alice.socket() as tab:
        run = await begin(tab, SLOW)
        await tab.events(run, until="text.delta")
    site.stop(signal.SIGKILL)
    site.start()
    seen = counted(site, 'lectern_runs_ended_total{status="completed"}', 1)
    assert seen['lectern_runs_begun_total{how="taken_over"}'] == 1
    assert seen['lectern_runs_begun_total{how="new"}'] == 0
    # Its first token was another process's.
    assert seen["lectern_run_first_token_seconds_count"] == 0


async def test_a_process_that_drains_says_so_to_who_is_still_connected(site: LiveSite):
    alice = site.sign_in()
    async with alice.socket() as tab, httpx.AsyncClient(base_url=site.url) as kept:
        run = await begin(tab, SLOW)
        await tab.events(run, until="text.delta")
        assert (await kept.get("/readyz")).status_code == 200
        assert site.process is not None
        site.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            while (answer := await kept.get("/readyz")).status_code == 200:
                await asyncio.sleep(0.01)
        assert (answer.status_code, answer.json()) == (503, {"status": "draining"})
        assert (await kept.get("/livez")).status_code == 200
