"""What the event log over Redis costs: the writer's CPU, how far behind another process is, and a replay.

    python bench/event_log.py redis://127.0.0.1:6379/15 [--seconds 4] [--rounds 3] [--out FILE]

Writes to that Redis; its streams expire. The reader is a process of its own, on the same clock. Stands alone: no
server, no settings.
"""

import argparse
import asyncio
import json
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # this folder's own names must not shadow libraries

import structlog  # noqa: E402

from bench.report import machine, row  # noqa: E402
from chat.conf import LogLimits  # noqa: E402
from chat.events.backends.base import EventLog, Feed  # noqa: E402
from chat.events.backends.memory import MemoryEventLog  # noqa: E402
from chat.events.backends.redis import RedisEventLog  # noqa: E402
from chat.events.codec import Cursor  # noqa: E402
from chat.events.fold import RunState  # noqa: E402
from chat.events.run_events import RunEvent, RunFinished, RunStarted, StepStarted, TextDelta, UsageFigures  # noqa: E402

LOADS = ((1, 20), (20, 50), (100, 50), (200, 50))
"""Runs, and deltas a second of each."""
REPLAYED = 2000
PACING = "nothing:"
END = RunFinished("completed", UsageFigures(), None, 1, 2, None)


class Nothing(MemoryEventLog):
    """Keeps nothing: what is left is the pacing of this bench."""

    def append(self, run: str, epoch: int, event: RunEvent) -> Cursor:
        return Cursor(epoch, 1)


def log_over(url: str | None) -> EventLog:
    if url == PACING:
        return Nothing(LogLimits(), time.monotonic)
    local = MemoryEventLog(LogLimits(), time.monotonic)
    return RedisEventLog(url, local, name=uuid.uuid4().hex, clock=time.monotonic) if url else local


def begin(log: EventLog, count: int) -> list[str]:
    runs = [str(uuid.uuid4()) for _ in range(count)]
    for run in runs:
        log.begin(run, 1, RunState())
        log.append(run, 1, RunStarted("m", "x"))
        log.append(run, 1, StepStarted(1, "m"))
    return runs


async def tell(log: EventLog, runs: list[str], per_second: int, seconds: float) -> float:
    """Deltas at an even pace, each with the time it was told at; CPU seconds a delta."""
    total, gap = int(len(runs) * per_second * seconds), 1 / (len(runs) * per_second)
    began, cpu, told = time.monotonic(), time.process_time(), 0
    while told < total:
        due = min(total, int((time.monotonic() - began) / gap) + 1)
        for number in range(told, due):
            log.append(runs[number % len(runs)], 1, TextDelta(f"{time.monotonic():.6f} "))
        told = due
        await asyncio.sleep(0.001)
    used = time.process_time() - cpu
    for run in runs:
        log.append(run, 1, END)
        log.end(run, 1)
    return used / total


async def cost(url: str | None, runs: int, per_second: int, seconds: float) -> float:
    log = log_over(url)
    log.start()
    await asyncio.sleep(0.2)
    used = await tell(log, begin(log, runs), per_second, seconds)
    await log.aclose()
    return used * 1e6


async def behind(url: str, runs: int, per_second: int, seconds: float) -> tuple[float, float]:
    """How far another process is behind, p50 and p99 in ms."""
    log = log_over(url)
    log.start()
    names = begin(log, runs)
    reader = await child(url, "--follow", *names)
    assert reader.stdout is not None
    await reader.stdout.readline()
    await tell(log, names, per_second, seconds)
    waits = sorted(json.loads((await reader.communicate())[0]))
    await log.aclose()
    assert len(waits) == int(runs * per_second * seconds), "lost or doubled"
    return waits[len(waits) // 2] * 1e3, waits[int(len(waits) * 0.99)] * 1e3


async def replay(url: str) -> tuple[float, float]:
    """2,000 events, from Redis to a reader in another process, p50 and p95 in ms."""
    log = log_over(url)
    log.start()
    (name,) = begin(log, 1)
    for number in range(REPLAYED - 3):
        log.append(name, 1, TextDelta(f"word {number} "))
    log.append(name, 1, END)
    log.end(name, 1)
    await asyncio.sleep(1)
    reader = await child(url, "--replay", name)
    times = sorted(json.loads((await reader.communicate())[0]))
    await log.aclose()
    return times[len(times) // 2] * 1e3, times[int(len(times) * 0.95)] * 1e3


# --- the other process ----------------------------------------------------------------------------------


async def child(url: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, __file__, url, *arguments, stdout=asyncio.subprocess.PIPE
    )


async def follow(url: str, runs: list[str]) -> list[float]:
    log = log_over(url)
    log.start()
    news = asyncio.Event()
    feeds: list[Feed] = [log.follow(run, None, news.set) for run in runs]
    waits: list[float] = []
    begun = 0
    while begun < 2 * len(feeds):
        await news.wait()
        news.clear()
        begun += sum(len(feed.take(10)) for feed in feeds)
    print(flush=True)
    while feeds:
        await news.wait()
        news.clear()
        now = time.monotonic()
        for feed in feeds:
            for made in feed.take(10_000):
                event = json.loads(made.frame)["event"]
                waits += [now - float(stamp) for stamp in event.get("text", "").split()]
        feeds = [feed for feed in feeds if not feed.done]
    await log.aclose()
    return waits


async def replayed(url: str, run: str, times: int = 60) -> list[float]:
    log = log_over(url)
    log.start()
    news = asyncio.Event()
    took = []
    for _ in range(times):
        began, seen = time.monotonic(), 0
        feed = log.follow(run, None, news.set)
        while not feed.done:
            await news.wait()
            news.clear()
            seen += len(feed.take(10_000))
        took.append(time.monotonic() - began)
        assert seen == REPLAYED, "lost or doubled"
        feed.close()
    await log.aclose()
    return took


# --- the table ------------------------------------------------------------------------------------------


async def measure(url: str, seconds: float, rounds: int) -> str:
    lines = [
        "# What the event log over Redis costs\n",
        machine(),
        row("runs", "deltas a second each", "memory µs a delta", "Redis", "ratio", "behind p50 ms", "p99"),
        row(*["---:"] * 7),
    ]
    for runs, per_second in LOADS:
        figures = [
            [await cost(where, runs, per_second, seconds) for where in (PACING, None, url)]
            for _ in range(rounds)
        ]
        pacing, memory, redis = (median(column) for column in zip(*figures, strict=True))
        memory, redis = memory - pacing, redis - pacing
        p50, p99 = await behind(url, runs, per_second, seconds)
        cells = (f"{memory:.1f}", f"{redis:.1f}", f"{redis / memory:.2f}", f"{p50:.1f}", f"{p99:.1f}")
        lines.append(row(runs, per_second, *cells))
    p50, p95 = await replay(url)
    lines.append(
        f"\nReplay of {REPLAYED:,} events in another process: p50 {p50:.0f} ms, p95 {p95:.0f} ms. CPU is the "
        "writing process's without the pacing of this bench, medians of interleaved rounds; it falls with load."
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    results = ROOT / "bench" / "results" / f"{datetime.now(UTC):%Y-%m-%d}-event-log.md"
    parser.add_argument("--out", type=Path, nargs="?", const=results, help=f"also to a file ({results})")
    parser.add_argument("--follow", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--replay", help=argparse.SUPPRESS)
    options = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if options.follow:
        print(json.dumps(asyncio.run(follow(options.url, options.follow))))
    elif options.replay:
        print(json.dumps(asyncio.run(replayed(options.url, options.replay))))
    else:
        text = asyncio.run(measure(options.url, options.seconds, options.rounds))
        print(text)
        if options.out:
            options.out.write_text(text)


if __name__ == "__main__":
    main()
