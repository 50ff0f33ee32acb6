"""P4: Redis is killed for a while and comes back empty, again and again, over answers in progress."""

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.report import row
from tests.chaos.fleet import verdict
from tests.chaos.fleet.bed import Fleet, Size, fleet
from tests.chaos.fleet.lanes import Lanes, opened
from tests.chaos.fleet.viewer import Viewer
from tests.chaos.report import Section

LIVE_SECONDS = 3.0
PEOPLE, LANES = 4, 5
"""Answers of each person at any time, made by both processes in turn."""
DELTAS, PER_SECOND = 600, 20
BETWEEN_SECONDS = 6.0
HEADS = (
    "loss", "answers", "sockets closed", "maker's tabs waited at most s", "live again elsewhere p50 s", "max s",
    "told after s", "wrong",
)  # fmt: skip


@dataclass
class Lost:
    """One loss. Seconds until a tab elsewhere saw the next single event of an answer, and until it was told."""

    under_way: int
    back_at: float
    away_at: float
    live: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    owners_waited: float = 0.0
    """The longest silence in a tab on the process that makes the answer, from the kill until all was live again."""
    closed: int = 0

    @property
    def failed(self) -> bool:
        return bool(self.closed) or not self.live or max(self.live) > LIVE_SECONDS


async def measure(losses: int, seconds: float) -> Section:
    section = Section(
        f"P4: Redis killed for {seconds:.0f} s, back empty, over {PEOPLE * LANES} answers", HEADS
    )
    with fleet(Size(people=PEOPLE)) as bed:

        def tell(lost: Lost) -> None:
            section.add(row("", *cells(lost), ""), failed=lost.failed)

        _, wrong = await lose_often(bed, losses, seconds, tell)
    section.add(row("in the end", *[""] * 6, len(wrong)), failed=wrong)
    section.complain(wrong)
    return section


def cells(lost: Lost) -> tuple[object, ...]:
    def told(value: float) -> str:
        return f"{value:.2f}"

    most = max(lost.live, default=math.nan)
    return (
        lost.under_way,
        lost.closed,
        told(lost.owners_waited),
        told(verdict.p(lost.live, 0.5)),
        told(most),
        told(max(lost.told, default=math.nan)),
    )


async def lose_often(
    bed: Fleet,
    losses: int,
    seconds: float,
    told: Callable[[Lost], None],
    *,
    deltas: int = DELTAS,
    people: int = PEOPLE,
    lanes: int = LANES,
) -> tuple[list[Lost], list[str]]:
    assert bed.redis is not None
    model = await asyncio.to_thread(bed.model, deltas, PER_SECOND)
    work, found = Lanes(bed.expected), []
    pairs = [(bed.viewer(person, 0), bed.viewer(person, 1)) for person in range(people)]
    viewers = [viewer for pair in pairs for viewer in pair]
    async with opened(*viewers):
        lasting = deltas / PER_SECOND
        running = [
            asyncio.create_task(
                work.on_and_on(pair[n % 2], [pair[1 - n % 2]], model, deltas, after=lasting * n / lanes)
            )
            for pair in pairs
            for n in range(lanes)
        ]
        await asyncio.sleep(min(lasting, BETWEEN_SECONDS))
        for _ in range(losses):
            lost = await _lose(bed, viewers, seconds)
            found.append(lost)
            told(lost)
        work.over.set()
        await asyncio.wait_for(asyncio.gather(*running), lasting + 60)
        wrong = await asyncio.to_thread(verdict.judged, bed, viewers)
    # Who is connected to an answer's maker has no need of Redis.
    for pair in pairs:
        for viewer in pair:
            made_here = [viewer.screens[run] for run in viewer.started]
            wrong += [f"{s.run}: its maker's tab needed a snapshot" for s in made_here if s.repaired]
    wrong += [f"{s.run}: shown backwards" for v in viewers for s in v.screens.values() if s.steps_back]
    return found, wrong


async def _lose(bed: Fleet, viewers: Sequence[Viewer], seconds: float) -> Lost:
    assert bed.redis is not None
    closed = sum(len(viewer.losses) for viewer in viewers)
    away_at = time.monotonic()
    await asyncio.to_thread(bed.redis.kill)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(bed.redis.start)
    back_at = time.monotonic()
    open_then = [
        (viewer, screen) for viewer in viewers for screen in viewer.screens.values() if not screen.ended
    ]
    await asyncio.sleep(BETWEEN_SECONDS)
    lost = Lost(len({screen.run for _, screen in open_then}), back_at, away_at)
    lost.closed = sum(len(viewer.losses) for viewer in viewers) - closed
    for viewer, screen in open_then:
        at = [at for at, _ in screen.live]
        if screen.run in viewer.started:
            waits = (b - a for a, b in itertools.pairwise(at) if b > away_at)
            lost.owners_waited = max([lost.owners_waited, *waits])
        elif not screen.ended or any(t > back_at for t in at):
            lost.live.append(next((t - back_at for t in at if t > back_at), math.inf))
    for viewer in viewers:
        lost.told += [at - back_at for at, delayed in viewer.delayed if not delayed and at > back_at]
    return lost
