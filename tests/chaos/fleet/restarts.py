"""P18: web processes are told to end, in turn, under load; and the only process of a small installation."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.report import row
from tests.chaos.fleet import verdict
from tests.chaos.fleet.bed import Fleet, Size, fleet
from tests.chaos.fleet.lanes import Lanes, opened
from tests.chaos.fleet.verdict import p
from tests.chaos.fleet.viewer import Loss, Viewer
from tests.chaos.report import Section

BACK_SECONDS, EXIT_SECONDS = 2.0, 20.0
PEOPLE, LANES = 3, 2
"""Answers that each tab has under way; a person has a tab on each process."""
DELTAS, PER_SECOND = 500, 25
"""20 s: longer than the grace."""
BETWEEN_SECONDS = 6.0
HEADS = (
    "restart", "exit s", "code", "sockets closed", "said so", "back p50 s", "max s", "answers handed over", "wrong",
)  # fmt: skip
SINGLE_HEADS = ("", "answers", "exit s", "code", "start s", "went on", "wrong")


@dataclass
class Restart:
    server: str
    exit_seconds: float
    code: int
    losses: list[Loss] = field(default_factory=list)
    strays: int = 0
    """Sockets that were closed by the process that was not told to end."""
    handed_over: int = 0

    @property
    def failed(self) -> object:
        late = any(loss.seconds > BACK_SECONDS for loss in self.losses)
        return late or self.strays or self.code != 0 or self.exit_seconds > EXIT_SECONDS

    def cells(self) -> tuple[object, ...]:
        seconds = [loss.seconds for loss in self.losses]
        said = sum(loss.said for loss in self.losses)
        back = (f"{p(seconds, 0.5):.2f}", f"{max(seconds):.2f}") if seconds else ("", "")
        exit_seconds = f"{self.exit_seconds:.1f}"
        return (exit_seconds, self.code, len(self.losses), said, *back, self.handed_over)


async def measure(restarts: int) -> Section:
    section = Section("P18: SIGTERM to two web processes in turn, under load", HEADS)
    with fleet(Size(people=PEOPLE)) as bed:

        def tell(one: Restart) -> None:
            section.add(row(one.server, *one.cells(), ""), failed=one.failed)

        _, wrong = await restart_often(bed, restarts, tell)
    section.add(row("in the end", *[""] * 7, len(wrong)), failed=wrong)
    section.complain(wrong)
    return section


async def restart_often(
    bed: Fleet,
    restarts: int,
    told: Callable[[Restart], None],
    *,
    deltas: int = DELTAS,
    per_second: int = PER_SECOND,
    between: float = BETWEEN_SECONDS,
) -> tuple[list[Restart], list[str]]:
    model = await asyncio.to_thread(bed.model, deltas, per_second)
    work, done = Lanes(bed.expected), []
    people = len(bed.cookies)
    pairs = [(bed.viewer(person, 0, 1), bed.viewer(person, 1, 0)) for person in range(people)]
    viewers = [viewer for pair in pairs for viewer in pair]
    lasting = deltas / per_second
    async with opened(*viewers):
        running = [
            asyncio.create_task(
                work.on_and_on(pair[n % 2], [pair[1 - n % 2]], model, deltas, after=lasting * n / (2 * LANES))
            )
            for pair in pairs
            for n in range(2 * LANES)
        ]
        await asyncio.sleep(min(lasting, between))
        for number in range(restarts):
            done.append(await _restart(bed, number % 2, viewers))
            told(done[-1])
            await asyncio.sleep(between)
        work.over.set()
        await asyncio.wait_for(asyncio.gather(*running), lasting + 60)
        wrong = await asyncio.to_thread(verdict.judged, bed, viewers)
        wrong += await asyncio.to_thread(verdict.streams, bed, work.runs)
    return done, wrong


async def _restart(bed: Fleet, victim: int, viewers: Sequence[Viewer]) -> Restart:
    site = bed.sites[victim]
    before = {id(viewer): len(viewer.losses) for viewer in viewers}
    handed = site.log.count("run taken over") + bed.sites[1 - victim].log.count("run taken over")
    began = time.monotonic()
    code = await asyncio.to_thread(site.stop)
    result = Restart(site.server, time.monotonic() - began, code)
    await asyncio.to_thread(site.start)
    await asyncio.sleep(BACK_SECONDS)
    result.losses = [loss for viewer in viewers for loss in viewer.losses[before[id(viewer)] :]]
    result.strays = sum(loss.door != site.port for loss in result.losses)
    after = site.log.count("run taken over") + bed.sites[1 - victim].log.count("run taken over")
    result.handed_over = after - handed
    return result


async def measure_single(times: int, runs: int) -> Section:
    section = Section("P18: the only process, on SQLite, is ended and started again", SINGLE_HEADS)
    wrong: list[str] = []
    with fleet(Size(webs=1, people=1)) as bed:
        for how in (signal.SIGTERM, signal.SIGKILL):
            for _ in range(times):
                cells, complaints, failed = await start_again(bed, how, runs, 500, 25)
                section.add(row(how.name, *cells, len(complaints)), failed=failed or complaints)
                wrong += complaints
    section.complain(wrong)
    return section


async def start_again(
    bed: Fleet, how: signal.Signals, runs: int, deltas: int, per_second: int
) -> tuple[tuple[object, ...], list[str], bool]:
    """Cells of the row, what was wrong, and whether the exit was."""
    site = bed.sites[0]
    model = await asyncio.to_thread(bed.model, deltas, per_second)
    work = Lanes(bed.expected)
    async with opened(bed.viewer(0), bed.viewer(0)) as (here, there):
        await asyncio.gather(*(work.begin(here, [there], model, deltas) for _ in range(runs)))
        await asyncio.sleep(2)
        began = time.monotonic()
        code = await asyncio.to_thread(site.stop, how)
        ended = time.monotonic()
        await asyncio.to_thread(site.start)
        started = time.monotonic()
        async with asyncio.timeout(deltas / per_second + 60):
            await asyncio.gather(*(v.ended(*v.screens.values()) for v in (here, there)))
        wrong = await asyncio.to_thread(verdict.judged, bed, (here, there))
    rows = await asyncio.to_thread(bed.stored)
    mine = {run: stored for run, stored in rows.items() if run in work.runs}
    went_on = sum(stored.epoch == 2 for stored in mine.values())
    wrong += [f"{run}: claimed {s.epoch} times" for run, s in mine.items() if s.epoch > 2]
    expected_code = 0 if how == signal.SIGTERM else -signal.SIGKILL
    cells = (runs, f"{ended - began:.1f}", code, f"{started - ended:.1f}", went_on)
    return cells, wrong, code != expected_code or ended - began > EXIT_SECONDS or went_on == 0
