"""The event logs that the contract is tried on."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from chat.events.backends.redis import RedisEventLog
from tests.events.logs import SMALL, Rig, redis_log
from tests.services import FURTHER
from tests.services import redis_url as redis_url  # the name is the fixture

ELSEWHERE = " of another process"


@pytest.fixture(params=["memory", "redis", f"redis{ELSEWHERE}", *(kind + ELSEWHERE for kind in FURTHER)])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    if request.param == "memory":
        log = memory_log()
        yield Rig(log, log)
        return
    kind = request.param.removesuffix(ELSEWHERE)
    url = (
        request.getfixturevalue("redis_of")(kind) if kind in FURTHER else request.getfixturevalue("redis_url")
    )
    async with AsyncExitStack() as stack:
        writer = await started(stack, url)
        reader = await started(stack, url) if request.param.endswith(ELSEWHERE) else writer
        yield Rig(writer, reader)


@pytest.fixture
async def apart(redis_url: str) -> AsyncIterator[Rig]:
    """A writer in one process, a reader in another."""
    async with AsyncExitStack() as stack:
        yield Rig(await started(stack, redis_url), await started(stack, redis_url))


def memory_log():
    import time

    from chat.events.backends.memory import MemoryEventLog

    return MemoryEventLog(SMALL, time.monotonic)


async def started(stack: AsyncExitStack, url: str, **more) -> RedisEventLog:
    log = redis_log(url, **more)
    log.start()
    stack.push_async_callback(log.aclose)
    return log
