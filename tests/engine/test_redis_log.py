"""Runs whose events go through Redis: what the engine hears of it, and what another process can follow."""

from contextlib import AsyncExitStack

import pytest

from chat import wiring
from chat.events.backends.redis import RedisEventLog
from chat.events.fold import RunState
from tests.events.conftest import started
from tests.events.logs import Rig, events, taken, until
from tests.services import redis_url as redis_url  # the name is the fixture

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def runtime(transactional_db, settings, redis_url):
    settings.REDIS_URL = redis_url
    yield await wiring.startup()
    await wiring.shutdown(grace_seconds=0)


@pytest.fixture
async def elsewhere(redis_url):
    """The log of another process."""
    async with AsyncExitStack() as stack:
        yield await started(stack, redis_url)


def slow(upstream):
    """It says one word, then nothing until the line is closed."""

    async def play(answer):
        await answer.say("Hello")
        await answer.wait_for_hang_up()

    upstream.play = play


async def test_another_process_follows_a_run_to_its_end(chat, elsewhere):
    begun = await chat.ask()
    rig = Rig(chat.runtime.log, elsewhere, begun.run)
    feed = rig.follow()
    told: list[dict] = []
    while not told or told[-1]["type"] != "run.finished":
        told += events(await taken(feed, 1))
    assert feed.done
    here = [
        {key: value for key, value in event.items() if key != "cursor"}
        for event in await chat.events(begun.run)
    ]
    assert told == here


async def test_a_run_that_redis_has_seen_a_newer_epoch_of_is_stopped_at_once(chat, elsewhere, upstream):
    slow(upstream)
    begun = await chat.ask()
    assert isinstance(chat.runtime.log, RedisEventLog)
    feed = Rig(chat.runtime.log, elsewhere, begun.run).follow()
    await taken(feed, 3)
    feed.close()
    elsewhere.begin(begun.run, 2, RunState())
    await until(lambda: elsewhere._writer._runs[begun.run].claimed)
    # As when the line to Redis was away for a moment, and the process with it.
    chat.runtime.log._writer._doubt(chat.runtime.log._writer._runs.values())
    await until(lambda: upstream.closed_at)
    assert begun.run not in chat.runtime.log._local
