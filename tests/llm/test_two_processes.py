"""What two processes agree on through one Redis, counted at the provider."""

import asyncio
import itertools
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from chat.conf import CallLimits
from chat.resilience.backends.redis import RedisBackend, connect
from tests.engine.plays import refusing
from tests.fakes.upstream import FakeUpstream, fake_upstream
from tests.llm.guarding import BUSY, guard_for, outcome, safeguards_over
from tests.services import redis_url as redis_url  # the name is the fixture

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]


class OtherProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def hear(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode().strip()

    async def tell(self, line: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        return await self.hear()


@pytest.fixture
def prefix() -> str:
    return f"test:{uuid.uuid4().hex}:"


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with fake_upstream() as fake:
        yield fake


@pytest.fixture
async def backend(redis_url: str, prefix: str) -> AsyncIterator[RedisBackend]:
    client = connect(redis_url)
    yield RedisBackend(client, prefix=prefix)
    await client.aclose()


@asynccontextmanager
async def other_processes(
    count: int, upstream: FakeUpstream, redis_url: str, prefix: str, limits: CallLimits
) -> AsyncIterator[list[OtherProcess]]:
    arguments = [upstream.base_url, redis_url, prefix, msgspec.json.encode(limits).decode()]
    others = [
        OtherProcess(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.llm.other_process", *arguments,
                cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )
        )
        for _ in range(count)
    ]  # fmt: skip
    try:
        assert await asyncio.gather(*(other.hear() for other in others)) == ["ready"] * count
        yield others
        for other in others:
            await other.process.communicate(b"")
            assert other.process.returncode == 0
    finally:
        for other in others:
            if other.process.returncode is None:
                other.process.kill()
                await other.process.wait()


@pytest.mark.parametrize("probes", [1, 3])
async def test_the_probe_limit_holds_over_two_processes(
    upstream: FakeUpstream, backend: RedisBackend, redis_url: str, prefix: str, probes: int
):
    out = most_out = 0
    numbers = itertools.count(1)

    async def play(answer):
        nonlocal out, most_out
        out += 1
        most_out = max(most_out, out)
        await asyncio.sleep(0.02)
        # Before the answer: with its last byte the next probe may come.
        out -= 1
        if next(numbers) % 4 == 0:
            await broken(answer)
        else:
            await upstream.say_hello(answer)

    broken = refusing(upstream, 500, BUSY)
    limits = CallLimits(
        attempts=1,
        breaker_failures=1,
        breaker_open_seconds=0.05,
        breaker_probes=probes,
        breaker_successes=10_000,
        calls_per_second=10_000,
        calls_burst=10_000,
    )
    rule = msgspec.structs.replace(limits, breaker_open_seconds=0.01)
    async with safeguards_over(backend) as safeguards:
        await outcome(guard_for(safeguards, upstream.base_url, rule))
    assert (await backend.breakers())["provider:p"].state == "open"
    upstream.requests.clear()
    upstream.play = play
    async with other_processes(2, upstream, redis_url, prefix, limits) as others:
        reached = [0, 0]
        # On a busy machine one of them may be late once, and find every place taken.
        for _ in range(10):
            tried = await asyncio.gather(*(other.tell("tries 100") for other in others))
            reached = [before + int(now) for before, now in zip(reached, tried, strict=True)]
            if min(reached) > 0:
                break
    assert min(reached) > 0
    assert sum(reached) == len(upstream.requests) < 2000
    assert most_out == probes
    assert await backend.in_use("probe:provider:p") == 0


async def test_what_staff_force_in_one_process_holds_in_the_other_from_the_next_call_on(
    upstream: FakeUpstream, backend: RedisBackend, redis_url: str, prefix: str
):
    async with (
        safeguards_over(backend) as safeguards,
        other_processes(1, upstream, redis_url, prefix, CallLimits()) as [other],
    ):
        assert await other.tell("call") == "completed"
        await safeguards.breakers.force("provider:p", "forced_open")
        assert await other.tell("call") == "provider_overloaded"
        assert len(upstream.requests) == 1
        await safeguards.breakers.force("provider:p", None)
        assert await other.tell("call") == "completed"
