"""What processes tell each other and all tabs of a user. The layer is a real one: in memory, and over Redis."""

import asyncio
import uuid

import pytest
from channels.layers import InMemoryChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from chat.engine import broadcast
from chat.engine.broadcast import Broadcast
from tests.services import FURTHER
from tests.services import mortal_redis as mortal_redis  # the names are the fixtures
from tests.services import redis_of as redis_of
from tests.services import redis_url as redis_url

ALICE, BOB = uuid.uuid4(), uuid.uuid4()


@pytest.fixture(params=["memory", "redis", *FURTHER])
async def layer(request):
    if request.param == "memory":
        yield InMemoryChannelLayer()
        return
    of_kind = request.getfixturevalue("redis_of")
    url = request.getfixturevalue("redis_url") if request.param == "redis" else of_kind(request.param)
    made = RedisPubSubChannelLayer(hosts=[url], prefix=uuid.uuid4().hex)
    yield made
    await made.flush()


class Process:
    """One process at a layer, and what it has heard."""

    def __init__(self, layer, name):
        self.hints: list[tuple[str, dict]] = []
        self.news: list[dict] = []
        self.changed = asyncio.Event()
        self.broadcast = Broadcast(layer, name=name, hinted=self._hinted)

    def _hinted(self, name, fields):
        self.hints.append((name, fields))
        self.changed.set()

    def hear(self, notice):
        self.news.append(notice)
        self.changed.set()

    async def until(self, there) -> None:
        async with asyncio.timeout(10):
            while not there():
                await self.changed.wait()
                self.changed.clear()


@pytest.fixture
async def processes(layer):
    pair = [Process(layer, name) for name in ("one", "other")]
    for process in pair:
        process.broadcast.start()
    yield pair
    for process in pair:
        await process.broadcast.aclose()


async def test_a_notice_is_heard_by_all_tabs_of_the_user_wherever_they_are(processes):
    one, other = processes
    for process in processes:
        process.broadcast.subscribe(ALICE, process.hear)
    await settled(one, other)
    one.broadcast.notify(ALICE, {"name": "run.created"})
    await other.until(lambda: other.news)
    assert one.news == other.news == [{"name": "run.created"}]


async def test_nobody_else_hears_it(processes):
    one, other = processes
    other.broadcast.subscribe(BOB, other.hear)
    await settled(other)
    one.broadcast.notify(ALICE, {"name": "secret"})
    one.broadcast.notify(BOB, {"name": "for Bob"})
    await other.until(lambda: other.news)
    assert other.news == [{"name": "for Bob"}]


async def test_who_has_left_hears_nothing_more(processes):
    one, other = processes
    heard_by_second_tab: list[dict] = []
    leave = other.broadcast.subscribe(ALICE, heard_by_second_tab.append)
    other.broadcast.subscribe(ALICE, other.hear)
    await settled(other)
    leave()
    leave()
    one.broadcast.notify(ALICE, {"name": "late"})
    await other.until(lambda: other.news)
    assert heard_by_second_tab == []


async def test_a_hint_reaches_the_other_processes_and_not_the_one_that_gave_it(processes):
    one, other = processes
    await settled(one, other)
    one.broadcast.hint("run.stop", run="r1")
    await other.until(lambda: other.hints)
    other.broadcast.hint("done")
    await one.until(lambda: one.hints)
    assert other.hints == [("run.stop", {"run": "r1"})]
    assert one.hints == [("done", {})]


async def test_many_notices_keep_their_order(processes):
    one, other = processes
    other.broadcast.subscribe(ALICE, other.hear)
    await settled(other)
    for number in range(300):
        one.broadcast.notify(ALICE, {"number": number})
    await other.until(lambda: len(other.news) == 300)
    assert [notice["number"] for notice in other.news] == list(range(300))


async def test_a_process_alone_is_told_what_it_tells():
    alone = Process(None, "alone")
    alone.broadcast.start()
    leave = alone.broadcast.subscribe(ALICE, alone.hear)
    alone.broadcast.notify(ALICE, {"name": "news"})
    alone.broadcast.hint("nobody hears it")
    leave()
    alone.broadcast.notify(ALICE, {"name": "later"})
    await alone.broadcast.aclose()
    assert alone.news == [{"name": "news"}]


async def test_while_redis_is_away_tabs_here_hear_what_is_told_here_and_later_all_do_again(
    mortal_redis, monkeypatch, caplog
):
    monkeypatch.setattr(broadcast, "RETRY_SECONDS", 0.1)
    layer = RedisPubSubChannelLayer(hosts=[{"address": mortal_redis.url, "socket_connect_timeout": 1}])
    one, other = Process(layer, "one"), Process(layer, "other")
    for process in (one, other):
        process.broadcast.start()
        process.broadcast.subscribe(ALICE, process.hear)
    await settled(one, other)
    mortal_redis.kill()
    one.broadcast.notify(ALICE, {"name": "meanwhile"})
    assert one.news == [{"name": "meanwhile"}]
    await asyncio.sleep(0.5)
    mortal_redis.start()
    async with asyncio.timeout(20):
        while {"name": "again"} not in other.news:
            one.broadcast.notify(ALICE, {"name": "again"})
            await asyncio.sleep(0.1)
    for process in (one, other):
        await process.broadcast.aclose()
    await layer.flush()


async def test_what_waits_to_be_sent_is_bounded(mortal_redis):
    mortal_redis.kill()
    layer = RedisPubSubChannelLayer(hosts=[{"address": mortal_redis.url, "socket_connect_timeout": 1}])
    one = Process(layer, "one")
    one.broadcast.start()
    for number in range(broadcast.MOST_WAITING * 2):
        one.broadcast.notify(ALICE, {"number": number})
    assert len(one.broadcast._out) == broadcast.MOST_WAITING
    await one.broadcast.aclose()
    await layer.flush()


async def settled(*processes) -> None:
    """Their groups are joined."""
    async with asyncio.timeout(10):
        for process in processes:
            made = process.broadcast
            while not made._channel or made._joined != set(made._listeners):
                await asyncio.sleep(0.01)
