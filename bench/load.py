"""One measurement in a process of its own; prints one JSON object. Started by `bench/run.py`.

The plan comes as JSON on standard input: `mode` (`ttft`, `paced`, `stop`), `targets` [{name, driver, port, pid,
cookies}], `upstream` {port, pid} and the mode's own figures.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.request import urlopen

import psutil
import uvloop

from bench.drivers import LINES, Ages, AnswerFailed, Line
from bench.stamps import now_us

SETTLE_SECONDS = 0.5
DRAIN_SECONDS = 20.0
WARM_UPS = 5
TTFT_MODEL = "stamp-n5-r0"
STOP_MODEL = "stamp-n5000-r50"


@dataclass(frozen=True)
class Target:
    """`cookies`: one Cookie header a user; lines are spread over them. Empty where nobody signs in."""

    name: str
    driver: str
    port: int
    pid: int
    cookies: list[str] = field(default_factory=list)

    def line(self, number: int, ages_us: Ages) -> Line:
        headers = {"Cookie": self.cookies[number % len(self.cookies)]} if self.cookies else {}
        return LINES[self.driver](self.port, ages_us, headers)


async def opened(target: Target, count: int, ages_us: Ages) -> list[Line]:
    lines = [target.line(number, ages_us) for number in range(count)]
    for start in range(0, count, 10):
        await asyncio.gather(*(line.open() for line in lines[start : start + 10]))
    return lines


def at(ordered: list[int], share: float) -> float:
    """A percentile in milliseconds; nan of nothing."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
    return sum(one.user + one.system for one in times)


def memory_mb(pid: int) -> float:
    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / 1e6


async def ttft(plan: dict[str, Any], targets: list[Target]) -> dict[str, Any]:
    """Sequential answers, the targets in turn, so that what disturbs one disturbs all."""
    lines = {target.name: (await opened(target, 1, []))[0] for target in targets}
    firsts: dict[str, list[int]] = {name: [] for name in lines}
    for number in range(plan["runs"] + WARM_UPS):
        for name, line in lines.items():
            started_us = now_us()
            await asyncio.wait_for(line.start(TTFT_MODEL), DRAIN_SECONDS)
            if line.reader.received != 5 or line.reader.first_at_us is None:
                raise AnswerFailed(f"{name}: {line.reader.received} of 5 deltas")
            if number >= WARM_UPS:
                firsts[name].append(line.reader.first_at_us - started_us)
            await asyncio.sleep(0.01)
    for line in lines.values():
        line.close()
    return {
        name: {"p50_ms": at(sorted(us), 0.5), "p95_ms": at(sorted(us), 0.95)} for name, us in firsts.items()
    }


def deltas_of(count: int, rate: int, seconds: float, starts_a_second: float) -> int:
    """So many that the first answer still streams when the window closes, long after the last one began."""
    return int((count / starts_a_second + 2 * SETTLE_SECONDS + seconds) * rate)


def paced_model(count: int, rate: int, seconds: float, starts_a_second: float) -> str:
    return f"stamp-n{deltas_of(count, rate, seconds, starts_a_second)}-r{rate}"


async def paced(plan: dict[str, Any], targets: list[Target]) -> dict[str, Any]:
    """C answers at R deltas a second; figures of a window in which all of them stream."""
    (target,) = targets
    count, rate, seconds = plan["conversations"], plan["rate"], plan["seconds"]
    ages_us: Ages = []
    lines = await opened(target, count, ages_us)
    ramp_seconds = count / plan["starts_a_second"]
    total = deltas_of(count, rate, seconds, plan["starts_a_second"])
    ends: list[asyncio.Future[str]] = []
    model = paced_model(count, rate, seconds, plan["starts_a_second"])
    starting = asyncio.create_task(start_all(lines, ramp_seconds, model, ends))
    await asyncio.sleep(ramp_seconds + SETTLE_SECONDS)
    before = figures(target, plan)
    await asyncio.sleep(seconds)
    after = figures(target, plan)
    rss_mb = memory_mb(target.pid)
    await starting
    await asyncio.wait(ends, timeout=DRAIN_SECONDS)
    for line in lines:
        line.close()
    window = sorted(age for arrived, age in ages_us if before["at_us"] <= arrived < after["at_us"])
    spent = {key: after[key] - before[key] for key in before}
    deltas, wall = len(window), spent["at_us"] / 1e6
    return {
        "offered_per_second": count * rate,
        "delivered_per_second": deltas / wall,
        "p50_ms": at(window, 0.5),
        "p99_ms": at(window, 0.99),
        "cpu_us_per_delta": spent["server"] / deltas * 1e6 if deltas else float("nan"),
        "server_cpu_percent": spent["server"] / wall * 100,
        "upstream_cpu_percent": spent["upstream"] / wall * 100,
        "client_cpu_percent": spent["client"] / wall * 100,
        "rss_mb": rss_mb,
        **verdict(lines, ends, total),
    }


async def start_all(
    lines: list[Line], ramp_seconds: float, model: str, ends: "list[asyncio.Future[str]]"
) -> None:
    clock = asyncio.get_running_loop().time
    started = clock()
    for number, line in enumerate(lines):
        await asyncio.sleep(max(0.0, started + ramp_seconds * number / len(lines) - clock()))
        ends.append(line.start(model))


def figures(target: Target, plan: dict[str, Any]) -> dict[str, float]:
    return {
        "at_us": now_us(),
        "server": cpu_seconds(target.pid),
        "upstream": cpu_seconds(plan["upstream"]["pid"]),
        "client": time.process_time(),
    }


def verdict(lines: list[Line], ends: "list[asyncio.Future[str]]", total: int) -> dict[str, Any]:
    """Whether every answer came whole: the count of stamps shows a loss as well as a double."""
    errors = [str(end.exception()) for end in ends if end.done() and end.exception()]
    unfinished = sum(not end.done() for end in ends)
    wrong = sum(line.reader.received != total for line in lines)
    return {
        "unfinished": unfinished,
        "not_whole": wrong,
        "errors": len(errors),
        "error": (errors or [""])[0][:300],
    }


async def stop(plan: dict[str, Any], targets: list[Target]) -> dict[str, Any]:
    """From the stop leaving the client to the upstream seeing its connection closed."""
    (target,) = targets
    taken: list[int] = []
    (line,) = await opened(target, 1, [])
    for _ in range(plan["runs"]):
        end = line.start(STOP_MODEL)
        await until(lambda: line.reader.received >= 5)
        cuts = stats(plan)["cuts"]
        sent_us = now_us()
        line.stop()
        await until(lambda: stats(plan)["cuts"] > cuts)  # noqa: B023 - awaited before it changes
        taken.append(stats(plan)["last_cut_us"] - sent_us)
        await asyncio.wait_for(end, DRAIN_SECONDS)
    line.close()
    taken.sort()
    return {"runs": len(taken), "p50_ms": at(taken, 0.5), "p95_ms": at(taken, 0.95), "max_ms": at(taken, 1.0)}


def stats(plan: dict[str, Any]) -> dict[str, int]:
    with urlopen(f"http://127.0.0.1:{plan['upstream']['port']}/stats", timeout=5) as answer:
        return dict(json.load(answer))


async def until(condition: Any) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come to pass")
        await asyncio.sleep(0.005)


def main() -> None:
    plan = json.load(sys.stdin)
    targets = [Target(**target) for target in plan["targets"]]
    measure = {"ttft": ttft, "paced": paced, "stop": stop}[plan["mode"]]
    print(json.dumps(uvloop.run(measure(plan, targets))))


if __name__ == "__main__":
    main()
