"""Streams that go on while something else happens, and how late their words are; in a process of its own.

`python -m tests.chaos.streams PORT COOKIE MODEL COUNT`: for each line of standard input it prints what was seen since
the last one: `{"deltas", "p50_ms", "p95_ms", "max_ms", "lost"}`.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench.drivers import AnswerFailed, AppLine
from tests.chaos.bed import ROOT
from tests.live import Person


@dataclass
class Streams:
    _process: asyncio.subprocess.Process

    async def since(self) -> dict[str, Any]:
        """What was seen since the last call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        told: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return told


@asynccontextmanager
async def streams(person: Person, model: str, count: int) -> AsyncIterator[Streams]:
    """They have all begun."""
    words = ("-m", "tests.chaos.streams", str(person.site.port), person.cookie, model, str(count))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdin=pipe, stdout=pipe)
    begun = Streams(process)
    try:
        await begun.since()
        await asyncio.sleep(1)
        await begun.since()
        yield begun
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 20)


class Seen:
    def __init__(self) -> None:
        self.ages: list[tuple[int, int]] = []
        self.lost = 0

    def told(self) -> dict[str, Any]:
        ages, self.ages[:] = sorted(age for _, age in self.ages), []
        return {
            "deltas": len(ages),
            "p50_ms": _at(ages, 0.5),
            "p95_ms": _at(ages, 0.95),
            "max_ms": _at(ages, 1.0),
            "lost": self.lost,
        }


def _at(ages: list[int], share: float) -> float | None:
    return ages[min(len(ages) - 1, int(len(ages) * share))] / 1000 if ages else None


async def _stream(line: AppLine, model: str, seen: Seen) -> None:
    while True:
        try:
            await line.start(model)
        except AnswerFailed as error:
            seen.lost += 1
            sys.stderr.write(f"{error}\n")
            return


async def _serve(port: int, cookie: str, model: str, count: int) -> None:
    seen = Seen()
    lines = [AppLine(port, seen.ages, {"Cookie": cookie}) for _ in range(count)]
    for line in lines:
        await line.open()
    tasks = [asyncio.create_task(_stream(line, model, seen)) for line in lines]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.readline():
        sys.stdout.write(json.dumps(seen.told()) + "\n")
        sys.stdout.flush()
    for task, line in zip(tasks, lines, strict=True):
        task.cancel()
        line.stop()
        line.close()
    await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
