"""Outgoing webhooks between real processes: a server that tells of its answers, and workers that are killed."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.webhooks.signing import verify
from tests.asking_tools import plug_in
from tests.fakes.receiver import Receiver, answer, hang
from tests.live import LiveSite, Socket, copy_site
from tests.project.workers import running, sender, wait_for, worker
from tests.services import MortalRedis
from tests.services import mortal_redis as mortal_redis  # the name is the fixture

pytestmark = pytest.mark.server

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
ADD_ENDPOINT = """
from chat.models import User, WebhookEndpoint
from chat.webhooks.payloads import EVENTS
endpoint = WebhookEndpoint(owner=User.objects.get(username="alice"), url={url!r}, events=sorted(EVENTS))
endpoint.set_secret({secret!r})
endpoint.save()
"""
ADD_DELIVERY = """
from chat.models import WebhookDelivery, WebhookEndpoint
print(WebhookDelivery.objects.create(endpoint=WebhookEndpoint.objects.get(), event="run.finished", payload="{}").pk)
"""
SHOW = """
from chat.models import WebhookDelivery
import json
print(json.dumps(list(WebhookDelivery.objects.values("status", "attempts", "epoch", "last_status"))))
"""


@pytest.fixture
def site(prepared_folder: Path, tmp_path: Path, rude: Receiver) -> Iterator[LiveSite]:
    """Of this test alone; Alice has an endpoint."""
    folder = tmp_path / "data"
    copy_site(prepared_folder, folder)
    live = LiveSite(folder, settings={"TOOLS_ALLOWED_HOSTS": "127.0.0.0/8"})
    live.manage("shell", "-v0", "-c", ADD_ENDPOINT.format(url=rude.url, secret=SECRET))
    yield live
    if live.process is not None:
        live.stop()


def rows(site: LiveSite) -> list[dict]:
    found: list[dict] = json.loads(site.manage("shell", "-v0", "-c", SHOW))
    return found


@pytest.mark.both_columns
async def test_a_server_alone_tells_of_its_answers(site: LiveSite, rude: Receiver):
    site.start()
    async with site.sign_in("alice").socket() as tab:
        reply = await ask(tab)
        run = str(reply["run"])
        await tab.events(run)
    wait_for(lambda: rude.requests)

    sent = rude.requests[0]
    told = json.loads(sent.body)
    assert (told["event"], told["run"], told["status"]) == ("run.finished", run, "completed")
    assert verify([SECRET], sent.headers, sent.body, now=time.time())


@pytest.mark.both_columns
async def test_a_server_alone_tells_of_its_tool_calls(site: LiveSite, rude: Receiver, tmp_path: Path):
    """The other side is the library that the authors of Standard Webhooks publish."""
    genuine = pytest.importorskip("standardwebhooks").Webhook(SECRET)
    site.settings |= plug_in(tmp_path / "plug-in")
    site.start()
    async with site.sign_in("alice").socket() as tab:
        reply = await ask(tab, SEND_AND_SUM)
        run = str(reply["run"])
        waiting = (await tab.events(run, until="tool.waiting"))[-1]
        edited = {"to": "eve@example.org", "subject": "Minutes"}
        call = waiting["event"]["invocation"]
        await tab.ask("invocation.decide", invocation=call, decision="approve", arguments=edited)
        await tab.events(run)
    wait_for(lambda: len(rude.requests) == 4)

    told = [genuine.verify(sent.body, sent.headers) for sent in rude.requests]
    assert len(set(rude.ids())) == 4
    heard = {(one["event"], one.get("function")): one for one in told}
    assert heard["invocation.waiting", "send_message"]["call_id"] == call
    assert heard["invocation.waiting", "send_message"]["for"] == "approval"
    assert heard["function_call_completed", "calculate"]["result"] == "42"
    sent = heard["function_call_completed", "send_message"]
    assert (sent["status"], json.loads(sent["result"])["to"]) == ("succeeded", "eve@example.org")
    assert heard["run.finished", None]["status"] == "completed"


@pytest.mark.both_columns
@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_worker_killed_in_the_middle_leaves_it_to_another_under_the_same_id(
    site: LiveSite, rude: Receiver, mortal_redis: MortalRedis, pool: str, record_property
):
    site.settings |= {
        "REDIS_URL": mortal_redis.url, "WEBHOOK_SECONDS": "4", "WEBHOOK_LEASE_SECONDS": "8",
    }  # fmt: skip
    key = site.manage("shell", "-v0", "-c", ADD_DELIVERY).strip()
    first, second = (worker(site, "webhooks", pool, "-c", "2") for _ in range(2))
    app = sender(mortal_redis.url)
    rude.then(hang, answer(200))
    with running(first):
        app.send_task("webhooks.deliver")
        wait_for(lambda: rude.requests)
        first.kill()
        killed_at = time.time()
    with running(second):

        def again() -> bool:
            """As the clock does every few seconds."""
            app.send_task("webhooks.deliver")
            time.sleep(0.2)
            return len(rude.requests) > 1

        wait_for(again)
        delivered = wait_for(lambda: [row for row in rows(site) if row["status"] == "delivered"])

    assert rude.ids() == [key, key]
    assert delivered == [{"status": "delivered", "attempts": 2, "epoch": 2, "last_status": 200}]
    record_property("again_after_seconds", round(rude.requests[1].at - killed_at, 1))


@pytest.mark.both_columns
async def test_what_a_tool_came_to_keeps_its_id_over_the_death_of_whoever_sends_it(
    site: LiveSite, rude: Receiver, mortal_redis: MortalRedis
):
    """One worker runs the tool and dies right after it; of those that send, one dies in the middle."""
    site.settings |= {
        "REDIS_URL": mortal_redis.url, "WEBHOOK_SECONDS": "4", "WEBHOOK_LEASE_SECONDS": "8",
    }  # fmt: skip
    rude.then(hang)
    site.start("--no-worker")
    tools, first = worker(site, "tools", "prefork", "-c", "1"), worker(site, "webhooks", "threads", "-c", "4")
    with running(tools, first):
        async with site.sign_in("alice").socket() as tab:
            run = str((await ask(tab, SUM))["run"])
            await tab.events(run, until="tool.finished")
            tools.kill()
            await tab.events(run)
        wait_for(lambda: len(rude.requests) == 2)
        first.kill()
    rude.then(answer(200))
    app = sender(mortal_redis.url)
    with running(worker(site, "webhooks", "threads", "-c", "4")):

        def again() -> bool:
            """As the clock does every few seconds."""
            app.send_task("webhooks.deliver")
            time.sleep(0.2)
            return [row["status"] for row in rows(site)] == ["delivered"] * 2

        wait_for(again)

    sent = {(one.headers["webhook-id"], json.loads(one.body)["event"]) for one in rude.requests}
    assert sorted(event for _, event in sent) == ["function_call_completed", "run.finished"]
    assert sorted(rude.ids()[:2]) == sorted(rude.ids()[2:])
    assert all(row["epoch"] == 2 for row in rows(site))


SUM = 'call:calculate {"expression": "6*7"}'
SEND_AND_SUM = 'call:send_message {"to": "bob@example.org", "subject": "Minutes"} ' + SUM


async def ask(tab: Socket, words: str = "hello") -> dict:
    content = [{"type": "text", "text": words}]
    return await tab.ask("run.start", key=str(uuid.uuid4()), models=["demo/demo"], content=content)
