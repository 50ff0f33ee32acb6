"""Whether a Redis is set up for what it is to keep, on real servers that are set up badly."""

from contextlib import AsyncExitStack

import pytest
import redis

from chat.conf import LogLimits
from chat.events.backends.redis_check import what_to_set
from chat.events.backends.redis_wire import RedisWire
from tests.events.conftest import started
from tests.events.logs import until
from tests.services import MortalRedis, redis_binaries
from tests.services import mortal_redis as mortal_redis  # the name is the fixture

LARGE = LogLimits(keep_seconds=600, run_bytes=400_000, all_ended_bytes=4_000_000)


@pytest.fixture(params=redis_binaries())
def misused(request, tmp_path):
    """A server of each kind that is here, to be set up badly."""
    server = MortalRedis(redis_binaries()[request.param], tmp_path)
    yield server
    server.kill()  # it would first write down what it has


def ask(server: MortalRedis, *command: str):
    with redis.Redis.from_url(server.url) as client:
        return client.execute_command(*command)


async def told(server: MortalRedis) -> list[str]:
    wire = RedisWire(server.url)
    try:
        return await what_to_set(wire)
    finally:
        await wire.aclose()


async def test_a_redis_that_evicts_or_forgets_is_told_of(misused):
    ask(misused, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    eviction, persistence = await told(misused)
    assert "set `maxmemory-policy noeviction`" in eviction
    assert "set `appendonly yes`" in persistence


@pytest.mark.parametrize(("name", "value"), [("appendonly", "yes"), ("save", "60 1000")])
async def test_a_redis_that_keeps_what_it_is_told_is_fine(misused, name, value):
    ask(misused, "CONFIG", "SET", name, value)
    assert await told(misused) == []


async def test_where_nothing_may_be_looked_at_nothing_is_said_and_nothing_fails(misused):
    ask(misused, "ACL", "SETUSER", "default", "-@dangerous")
    assert await told(misused) == []


async def test_where_only_config_is_forbidden_info_still_tells_of_eviction(misused):
    ask(misused, "CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    ask(misused, "ACL", "SETUSER", "default", "-config")
    [eviction] = await told(misused)
    assert "maxmemory-policy is volatile-ttl" in eviction


async def test_a_process_says_at_its_start_what_is_set_up_badly(misused, caplog):
    ask(misused, "CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    async with AsyncExitStack() as stack:
        await started(stack, misused.url)
        await until(lambda: "allkeys-lfu" in caplog.text and "appendonly yes" in caplog.text)
