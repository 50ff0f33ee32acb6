"""`run.finished` for users' own systems: written with the end of the run, or not at all."""

import asyncio
import json
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.engine import recorder
from chat.exceptions import StaleEpoch
from chat.models import Run, WebhookDelivery
from chat.usage.known_quotas import KNOWN
from chat.wiring.webhooks import tell_end
from tests.engine.orphans import half_done
from tests.factories import RunFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def told(chat):
    """What Alice's system is told, oldest first."""
    await chat.runtime.database(WebhookEndpointFactory.create, owner=chat.user)

    async def told() -> list[dict]:
        rows = await chat.runtime.database(lambda: list(WebhookDelivery.objects.order_by("pk")))
        return [json.loads(row.payload) for row in rows]

    return told


async def test_an_answer_that_is_complete(chat, told, upstream):
    async def play(answer):
        await answer.say("Hello")
        await answer.end(prompt=8, completion=5)

    upstream.play = play
    started = await chat.ask()
    last = (await chat.events(started.run))[-1]

    (payload,) = await told()
    run = await chat.row(started.run)
    assert payload == {
        "event": "run.finished",
        "run": started.run,
        "conversation": started.conversation,
        "message": started.runs[0].message,
        "model": chat.model.full_name,
        "status": "completed",
        "error": None,
        "usage": last["usage"],
        "cost": None,
        "ttft_ms": run.ttft_ms,
        "duration_ms": run.duration_ms,
        "tokens_per_second": run.tokens_per_second,
        "stop_receipt": None,
        "timestamp": payload["timestamp"],
    }
    assert payload["timestamp"].startswith(f"{run.finished_at:%Y-%m-%dT%H:%M}")
    assert payload["timestamp"].endswith("Z")


async def test_nothing_that_was_said(chat, told, upstream):
    async def play(answer):
        await answer.say("a secret of the model")
        await answer.end()

    upstream.play = play
    await chat.events((await chat.ask("a secret of Alice")).run)

    assert "secret" not in json.dumps(await told())


async def test_an_answer_that_failed(chat, told, upstream):
    async def play(answer):
        answer.cut()

    upstream.play = play
    await chat.provider(attempts=1)
    await chat.events((await chat.ask()).run)

    (payload,) = await told()
    assert (payload["status"], payload["error"]["code"]) == ("failed", "provider_cut")


async def test_an_answer_that_was_stopped(chat, told, upstream):
    begun = asyncio.Event()

    async def play(answer):
        await answer.say("Hel")
        begun.set()
        await answer.wait_for_hang_up()

    upstream.play = play
    started = await chat.ask()
    await begun.wait()
    await chat.stop(started)
    await chat.events(started.run)

    (payload,) = await told()
    assert payload["status"] == "stopped"
    assert payload["stop_receipt"]["requested_at"]


async def test_a_run_that_nobody_can_go_on_with(chat, told):
    await chat.runtime.reaper.stop()
    started = await chat.runtime.database(half_done, chat, "Hel")
    await chat.runtime.database(chat.model.delete)
    await chat.runtime.supervisor.rescue()

    (payload,) = await told()
    assert payload["run"] == started.run
    assert (payload["status"], payload["error"]["code"]) == ("failed", "model_not_available")


async def test_one_that_was_made_twice_is_told_once(chat, told, upstream):
    """The first maker had the whole answer, and came too late with it."""
    await chat.runtime.reaper.stop()
    started = await chat.runtime.database(half_done, chat, "Hel")
    await chat.runtime.supervisor.rescue()
    await chat.events(started.run)
    with pytest.raises(StaleEpoch):
        await chat.runtime.database(recorder.save_ending, ending(await chat.row(started.run)), tell=tell_end)

    assert len(await told()) == 1


def test_the_end_and_what_is_told_of_it_are_one(alice):
    run = RunFactory.create(user=alice, epoch=1)
    WebhookEndpointFactory.create(owner=alice)

    def fail(told: recorder.Ending) -> None:
        tell_end(told)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        recorder.save_ending(ending(run), tell=fail)

    run.refresh_from_db()
    assert (run.status, WebhookDelivery.objects.count()) == ("queued", 0)


@pytest.mark.parametrize("endpoints", [0, 3])
def test_it_costs_one_statement_more(alice, endpoints: int):
    first, second = RunFactory.create_batch(2, user=alice, epoch=1)
    WebhookEndpointFactory.create_batch(endpoints, owner=alice)
    KNOWN.any()  # asked once a second
    with CaptureQueriesContext(connection) as without:
        recorder.save_ending(ending(first))
    with CaptureQueriesContext(connection) as told:
        recorder.save_ending(ending(second), tell=tell_end)

    assert len(told) == len(without) + 1
    assert WebhookDelivery.objects.count() == endpoints


def ending(run: Run) -> recorder.Ending:
    return recorder.Ending(
        run=str(run.pk),
        epoch=1,
        message=str(run.message_id),
        conversation=uuid.UUID(str(run.conversation_id)),
        user=run.user_id,
        model=run.model_name,
        steps=[],
        columns={"status": "completed"},
        calls=[],
        finished_at=timezone.now(),
    )
