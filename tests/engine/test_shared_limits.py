"""The whole machine with REDIS_URL: limits and breakers in Redis, and without it when it goes away."""

import asyncio
import time

import pytest
import redis as redis_client

from chat.resilience.backends.base import Bucket
from chat.wiring import backends
from tests.engine.conftest import Chat
from tests.engine.plays import BUSY
from tests.services import redis_url as redis_url  # the name is the fixture

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shared(settings, redis_url: str) -> None:
    settings.REDIS_URL = redis_url


@pytest.fixture
def sharing_chat(shared: None, chat: Chat) -> Chat:
    """The settings come first."""
    return chat


async def test_a_call_holds_its_places_in_redis_and_gives_them_back(sharing_chat, upstream):
    chat = sharing_chat
    places = chat.runtime.safeguards.places
    key = f"provider:{chat.model.provider.pk}"

    async def hang(answer):
        await answer.say("long")
        await answer.wait_for_hang_up()

    upstream.play = hang
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    assert (await places.in_use(key), await places.in_use(f"user:{chat.user.pk}")) == (1, 1)
    assert (chat.runtime.safeguards.shared, chat.runtime.safeguards.alone) == (True, False)
    await chat.stop(started)
    await chat.events(started.run)
    assert (await places.in_use(key), await places.in_use(f"user:{chat.user.pk}")) == (0, 0)


async def test_a_breaker_that_another_process_has_opened_is_open_here(sharing_chat, upstream, redis_url):
    chat = sharing_chat
    key = f"provider:{chat.model.provider.pk}"
    elsewhere, close = backends.limits_backend(redis_url, time.monotonic)
    await elsewhere.breaker_force(key, "forced_open")
    error = (await chat.events((await chat.ask("hello")).run))[-1]["error"]
    assert error["code"] == "provider_overloaded"
    assert upstream.requests == []
    await elsewhere.breaker_force(key, None)
    await close()


async def test_a_breaker_opened_here_is_seen_by_the_others(sharing_chat, upstream, redis_url):
    chat = sharing_chat
    await chat.provider(attempts=1, breaker_failures=1)
    upstream.refuse(500, BUSY)
    await chat.events((await chat.ask("hello")).run)
    elsewhere, close = backends.limits_backend(redis_url, time.monotonic)
    assert (await elsewhere.breakers())[f"provider:{chat.model.provider.pk}"].state == "open"
    await close()


async def test_without_redis_each_process_counts_for_itself(unused_tcp_port: int):
    backend, close = backends.limits_backend(f"redis://127.0.0.1:{unused_tcp_port}/0", time.monotonic)
    assert await backend.acquire("user:1", 1, holder="a", lease_seconds=9)
    assert not await backend.acquire("user:1", 1, holder="b", lease_seconds=9)
    assert backend.alone
    await close()


async def test_the_lines_to_redis_are_closed_with_the_process(redis_url):
    with redis_client.Redis.from_url(redis_url) as watcher:

        def clients() -> int:
            return len(watcher.client_list())

        before = clients()
        backend, close = backends.limits_backend(redis_url, time.monotonic)
        await backend.take([Bucket("test:closing", 10, 10)])
        assert clients() > before
        await close()
        async with asyncio.timeout(10):
            while clients() > before:
                await asyncio.sleep(0.01)
