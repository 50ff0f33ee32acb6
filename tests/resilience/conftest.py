"""Time that only moves when told, and the backends that one suite runs over."""

import asyncio
import heapq
import uuid
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import pytest

from chat.resilience.backends.base import Backend, BackendUnavailable
from chat.resilience.backends.memory import MemoryBackend
from chat.resilience.backends.redis import RedisBackend, connect
from tests.services import FURTHER
from tests.services import redis_url as redis_url  # the name is the fixture

T = TypeVar("T")


class FakeTime:
    """A clock (`time()`), and a `sleep` that ends when `pass_by` has come so far."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, id(woken), woken))
        await woken

    async def pass_by(self, seconds: float) -> None:
        """Everything due on the way happens at its own moment."""
        await settle()
        end = self.now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            moment, _number, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                self.now = max(self.now, moment)
                woken.set_result(None)
                await settle()
        self.now = end
        await settle()

    @property
    def sleeping(self) -> int:
        return sum(not woken.done() for _moment, _number, woken in self._sleepers)


class SharedMemory(MemoryBackend):
    """Another process could see it; records what is renewed."""

    shared = True

    def __init__(self, time: FakeTime) -> None:
        super().__init__(time)
        self.renewals: list[list[tuple[str, str]]] = []
        self.away = False

    async def renew(self, held, *, lease_seconds):
        if self.away:
            raise BackendUnavailable
        self.renewals.append(sorted(held))
        await super().renew(held, lease_seconds=lease_seconds)


async def settle() -> None:
    """Lets every task run until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


def start(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    return asyncio.get_running_loop().create_task(work)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture(params=["memory", "redis", *FURTHER])
async def backend(request: pytest.FixtureRequest, time: FakeTime) -> AsyncIterator[Backend]:
    if request.param == "memory":
        yield MemoryBackend(time)
        return
    if request.param in FURTHER:
        client = connect(request.getfixturevalue("redis_of")(request.param))
    else:
        client = connect(request.getfixturevalue("redis_url"))
    try:
        yield RedisBackend(client, prefix=f"test:{uuid.uuid4().hex}:", clock=time)
    finally:
        await client.aclose()
