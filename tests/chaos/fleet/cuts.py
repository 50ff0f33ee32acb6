"""P1: two tabs of one user on two processes, behind forwarders that cut at any byte."""

import asyncio
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from bench.report import row
from tests.chaos.fleet import verdict
from tests.chaos.fleet.bed import Fleet, Size, fleet
from tests.chaos.fleet.lanes import Lanes, opened
from tests.chaos.fleet.proxy import CuttingProxy, How
from tests.chaos.fleet.viewer import Viewer
from tests.chaos.report import Section

DELTAS, PER_SECOND = 300, 50
USERS, LANES = 3, 2
"""Tabs of a user, and answers of each tab at any time."""
PATIENCE_SECONDS = 1.0
HEADS = ("cuts", "of them", "answers", "events seen", "resumed", "seconds", "wrong")


@dataclass
class Cut:
    cuts: dict[str, int] = field(default_factory=dict)
    answers: int = 0
    events: int = 0
    resumed: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.cuts.values())


async def measure(cuts: int) -> Section:
    section = Section("P1: lines cut at random bytes, two tabs on two processes", HEADS)
    with fleet(Size(people=USERS)) as bed:
        cut = await cut_often(bed, cuts, random.Random(1))  # noqa: S311
    kinds = ", ".join(f"{number} {how}" for how, number in sorted(cut.cuts.items()))
    section.add(
        row(cut.total, kinds, cut.answers, cut.events, cut.resumed, f"{cut.seconds:.0f}", len(cut.wrong)),
        failed=cut.wrong or cut.total < cuts,
    )
    section.complain(cut.wrong)
    return section


async def cut_often(bed: Fleet, cuts: int, chance: random.Random, users: int = USERS) -> Cut:
    model = await asyncio.to_thread(bed.model, DELTAS, PER_SECOND)
    lanes, result = Lanes(bed.expected), Cut()
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(CuttingProxy(port, chance).open()) for port in bed.ports]
        viewers = [
            Viewer(bed.cookies[user], [proxy.port], PATIENCE_SECONDS, hurry=True)
            for user in range(users)
            for proxy in proxies
        ]
        began = time.monotonic()
        await stack.enter_async_context(opened(*viewers))
        tabs = [(viewers[n], viewers[n ^ 1]) for n in range(len(viewers))]
        running = [
            asyncio.create_task(lanes.on_and_on(here, [there], model, DELTAS, after=0.4 * number))
            for here, there in tabs
            for number in range(LANES)
        ]
        while sum(proxy.cuts.total() for proxy in proxies) < cuts:
            _raise_what_failed(running)
            await asyncio.sleep(0.1)
        lanes.over.set()
        for proxy in proxies:
            proxy.cutting = False
        await asyncio.wait_for(asyncio.gather(*running), 60)
        result.seconds = time.monotonic() - began
    result.cuts = {str(how): sum(proxy.cuts[how] for proxy in proxies) for how in How}
    result.answers = len(lanes.runs)
    screens = [screen for viewer in viewers for screen in viewer.screens.values()]
    result.events = sum(len(screen.live) for screen in screens)
    result.resumed = sum(len(viewer.losses) for viewer in viewers)
    result.wrong = await asyncio.to_thread(verdict.judged, bed, viewers)
    result.wrong += [f"{s.run}: shown from a snapshot" for s in screens if s.repaired or s.steps_back]
    result.wrong += await asyncio.to_thread(verdict.streams, bed, lanes.runs)
    return result


def _raise_what_failed(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        if task.done():
            task.result()
