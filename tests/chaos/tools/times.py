"""How long tools take beside their own work: to their first line, five at once, and their progress to the screen."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.report import row
from tests.chaos.report import Section
from tests.chaos.tools.bed import Tooled, ask, tooled
from tests.live import Socket
from tests.project.workers import running

FIRST_LINE_MS, STEP_SECONDS, PROGRESS_MS = 25.0, 1.3, 200.0
HEADS = ("worker", "first line, ms: p50", "p95", "5 tools of 1 s, s: p50", "max", "progress, ms: p50", "max")
PLACES = ("embedded", "threads", "prefork")


async def measure(times: int = 30) -> Section:
    section = Section("What tools take beside their own work", HEADS)
    for place in PLACES:
        with _at(place) as bed:
            async with bed.tab() as tab:
                await _first_lines(bed, tab, 3)
                first = await _first_lines(bed, tab, times)
                steps = [await _five_at_once(tab, str(n)) for n in range(5)]
                told = await _progress(tab)
        p50, p95 = statistics.median(first), statistics.quantiles(first, n=20)[-1]
        cells = (f"{p50:.1f}", f"{p95:.1f}", f"{statistics.median(steps):.2f}", f"{max(steps):.2f}")
        late = p50 > FIRST_LINE_MS or max(steps) > STEP_SECONDS or max(told) > PROGRESS_MS
        section.add(row(place, *cells, f"{statistics.median(told):.0f}", f"{max(told):.0f}"), failed=late)
    section.note(
        f"Goals: ≤ {FIRST_LINE_MS:.0f} ms (p50), ≤ {STEP_SECONDS} s, ≤ {PROGRESS_MS:.0f} ms. First line: from the "
        "row's note that it is given out. Five tools: from the end of the model's step to the beginning of the next, "
        "as a tab sees it. Progress: from the tool's clock to the tab."
    )
    return section


@contextmanager
def _at(place: str) -> Iterator[Tooled]:
    with tooled(redis=place != "embedded") as bed:
        if place == "embedded":
            yield bed
        else:
            with running(bed.worker(place, concurrency=5)):
                yield bed


async def _first_lines(bed: Tooled, tab: Socket, times: int) -> list[float]:
    known = {line["invocation"] for line in bed.lines()}
    for number in range(times):
        run = await ask(tab, ("stay_once", {"name": f"{time.monotonic_ns()}-{number}", "seconds": 0.01}))
        await tab.events(run)
    given = await asyncio.to_thread(bed.given_out)
    began = {line["invocation"]: line["at"] for line in bed.lines()}
    return [(at - given[key]) * 1000 for key, at in began.items() if key not in known]


async def _five_at_once(tab: Socket, name: str) -> float:
    run = await ask(tab, *(("stay_once", {"name": f"five {name} {n}", "seconds": 1.0}) for n in range(5)))
    at: dict[str, float] = {}
    async for event in _stream(tab, run):
        if event["type"] == "step.finished":
            at.setdefault("asked", time.monotonic())
        elif event["type"] == "step.started" and event["step"] == 2:
            at["goes on"] = time.monotonic()
    return at["goes on"] - at["asked"]


async def _progress(tab: Socket) -> list[float]:
    run = await ask(tab, ("report", {"name": "progress", "seconds": 6.0}))
    return [
        (time.time() - float(event["note"])) * 1000
        async for event in _stream(tab, run)
        if event["type"] == "tool.progress" and event["note"]
    ]


async def _stream(tab: Socket, run: str) -> Any:
    """The run's events, each as it comes."""
    while True:
        frame = await tab.next()
        if frame["type"] == "event" and frame["run"] == run:
            await tab.ack(frame)
            yield frame["event"]
            if frame["event"]["type"] == "run.finished":
                return
