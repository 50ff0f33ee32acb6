"""Outgoing webhooks between real processes: a server that tells of its answers, and workers that are killed."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.webhooks.signing import verify
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


async def ask(tab: Socket) -> dict:
    content = [{"type": "text", "text": "hello"}]
    return await tab.ask("run.start", key=str(uuid.uuid4()), models=["demo/demo"], content=content)
