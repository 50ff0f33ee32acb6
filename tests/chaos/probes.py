"""The probe limit over two processes that share a Redis, each with the whole engine; counted at the provider."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from bench.report import row
from tests.chaos.bed import ROOT
from tests.chaos.report import Section
from tests.services import MISSING, redis_binary, start_redis, stop

PROCESSES = 2
SECONDS = 5.0
PROBE_SECONDS = 0.02
FAILS_EACH = 4
HEADS = (
    "probes allowed",
    "processes",
    "seconds",
    "runs tried",
    "reached the provider",
    "by each",
    "most at once",
)
ANSWER = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class Counting:
    """A provider that is asked by probes alone, and every now and then fails, so that the breaker opens again."""

    def __init__(self) -> None:
        self.base_url = ""
        self.calls = self.out = self.most = 0

    async def answer(self, _: web.Request) -> web.Response:
        self.calls += 1
        failing = self.calls % FAILS_EACH == 1
        self.out += 1
        self.most = max(self.most, self.out)
        await asyncio.sleep(PROBE_SECONDS)
        # Before the answer: with its last byte the next probe may come.
        self.out -= 1
        if failing:
            return web.Response(
                status=500, body=b'{"error":{"message":"busy"}}', content_type="application/json"
            )
        return web.Response(body=ANSWER, content_type="text/event-stream")


@asynccontextmanager
async def counting_provider() -> AsyncIterator[Counting]:
    counting = Counting()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", counting.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        counting.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield counting
    finally:
        await runner.cleanup()


async def measure() -> Section:
    section = Section("A half-open breaker, asked by two processes", HEADS)
    url = os.environ.get("TEST_REDIS_URL")
    binary = redis_binary()
    if url is None and binary is None:
        section.add(row(f"not measured: {MISSING}", *[""] * (len(HEADS) - 1)), failed=True)
        return section
    with tempfile.TemporaryDirectory() as folder:
        server = None
        if url is None and binary is not None:
            port, server = await asyncio.to_thread(start_redis, binary, Path(folder))
            url = f"redis://127.0.0.1:{port}/0"
        try:
            for probes in (1, 2, 3):
                await _one_limit(str(url), probes, section)
        finally:
            if server is not None:
                await asyncio.to_thread(stop, server)
    section.note(
        f"Each process has the whole engine, a database of its own and 10 runs at once; every {FAILS_EACH}th call "
        "fails, and the breaker is half-open again after 50 ms."
    )
    return section


async def _one_limit(redis_url: str, probes: int, section: Section) -> None:
    async with counting_provider() as provider:
        arguments = [provider.base_url, str(uuid.uuid4()), str(probes)]
        # One failure of one process opens it for all; from then on nobody comes but probes.
        opening = await asyncio.to_thread(_probe, redis_url, [*arguments, "0"])
        asking = (asyncio.to_thread(_probe, redis_url, [*arguments, str(SECONDS)]) for _ in range(PROCESSES))
        told = await asyncio.gather(*asking)
    reached = [facts["reached"] for facts in told]
    calls = provider.calls - opening["reached"]
    section.add(
        row(
            probes,
            PROCESSES,
            f"{SECONDS:.0f}",
            sum(facts["runs"] for facts in told),
            calls,
            " + ".join(map(str, reached)),
            provider.most,
        ),
        failed=provider.most != probes or min(reached) == 0 or sum(reached) != calls,
    )


def _probe(redis_url: str, arguments: list[str]) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.prober", *arguments],
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": redis_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    facts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return facts
