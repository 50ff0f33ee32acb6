"""P2: a web process is killed while it makes answers, and another goes on; or it sleeps, and wakes as a zombie."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from bench.report import row
from tests.chaos.fleet import verdict
from tests.chaos.fleet.bed import Fleet, Size, fleet
from tests.chaos.fleet.lanes import Lanes, opened
from tests.chaos.fleet.verdict import p
from tests.chaos.fleet.viewer import Viewer
from tests.chaos.report import Section

P95_SECONDS, MOST_SECONDS = 6.0, 10.0
SLEEP_SECONDS = 15.0
WOKEN_SECONDS = 1.0
"""So long a woken process may go on showing what nobody stores: until it hears that it has lost its answers."""
NEAR_EACH = 4
"""Every so many kills the survivor may ask its kernel; else the two are as on machines of their own: it must wait."""
PEOPLE = 2
HEADS = ("", "answers", "taken over after p50 s", "p95 s", "max s", "text p95 s", "claims", "wrong")
ZOMBIE_HEADS = (*HEADS[:-1], "old events after waking", "for s", "wrong")


@dataclass
class Taken:
    """Seconds from the kill to the first event of the next epoch, and to the first text of it, per answer and tab."""

    elsewhere: list[float] = field(default_factory=list)
    """In tabs on the process that goes on."""
    cut: list[float] = field(default_factory=list)
    """In tabs on the one that was killed."""
    text: list[float] = field(default_factory=list)
    answers: int = 0
    claims: int = 0
    """Beyond the one that was needed."""
    old_events: int = 0
    """A woken process told so many of what it had lost, to its own tabs, for `old_seconds`."""
    old_seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[float]:
        return self.elsewhere + self.cut

    def add(self, other: "Taken") -> None:
        for name in ("elsewhere", "cut", "text", "wrong"):
            getattr(self, name).extend(getattr(other, name))
        self.answers += other.answers
        self.claims += other.claims
        self.old_events += other.old_events
        self.old_seconds = max(self.old_seconds, other.old_seconds)

    @property
    def late(self) -> bool:
        return not self.all or p(self.all, 0.95) > P95_SECONDS or max(self.all) > MOST_SECONDS

    def cells(self, seconds: Sequence[float]) -> list[str]:
        return [f"{v:.1f}" for v in (p(seconds, 0.5), p(seconds, 0.95), max(seconds, default=float("nan")))]


async def measure_kills(kills: int, runs: int) -> Section:
    section = Section(f"P2: kill -9 of a web process with {runs} answers", HEADS)
    chance, all_of_them = random.Random(2), Taken()  # noqa: S311
    with fleet(Size(people=PEOPLE)) as bed:
        night = Night(bed, runs)
        for number in range(kills):
            apart = number % NEAR_EACH != NEAR_EACH - 1
            after, back_after = chance.uniform(0.3, 4.0), chance.uniform(0, 3)
            taken = await night.kill(number % 2, after, back_after=back_after, apart=apart)
            cells = (taken.answers, *taken.cells(taken.all), f"{p(taken.text, 0.95):.1f}", taken.claims)
            name = f"{number + 1}, {'two machines' if apart else 'one machine'}"
            section.add(row(name, *cells, len(taken.wrong)), failed=taken.wrong)
            all_of_them.add(taken)
        all_of_them.wrong += await asyncio.to_thread(verdict.judged, bed, ())
        for name, seconds in (
            ("tabs elsewhere", all_of_them.elsewhere),
            ("tabs on the killed one", all_of_them.cut),
        ):
            section.add(row(name, "", *all_of_them.cells(seconds), "", "", ""))
        cells = (all_of_them.answers, *all_of_them.cells(all_of_them.all), f"{p(all_of_them.text, 0.95):.1f}")
        failed = all_of_them.late or all_of_them.wrong
        section.add(row("all", *cells, all_of_them.claims, len(all_of_them.wrong)), failed=failed)
    section.complain(all_of_them.wrong)
    return section


async def measure_zombies(times: int, runs: int) -> Section:
    section = Section(f"P2: stopped for {SLEEP_SECONDS:.0f} s with {runs} answers, then woken", ZOMBIE_HEADS)
    wrong: list[str] = []
    with fleet(Size(people=PEOPLE)) as bed:
        night = Night(bed, runs, deltas=700)
        for number in range(times):
            taken = await night.sleep(number % 2, 2.0, SLEEP_SECONDS)
            cells = (taken.answers, *taken.cells(taken.elsewhere), f"{p(taken.text, 0.95):.1f}", taken.claims)
            late = p(taken.elsewhere, 0.95) > P95_SECONDS or max(taken.elsewhere) > MOST_SECONDS
            slow = taken.old_seconds > WOKEN_SECONDS
            old = (taken.old_events, f"{taken.old_seconds:.2f}")
            section.add(row(number + 1, *cells, *old, len(taken.wrong)), failed=taken.wrong or late or slow)
            wrong += taken.wrong
        ended = await asyncio.to_thread(verdict.judged, bed, ())
        section.add(row("database and ledger", *[""] * 8, len(ended)), failed=ended)
    section.complain(wrong + ended)
    return section


class Night:
    """Answers of `PEOPLE` people, each with a tab on both processes; all are made by the one that something befalls."""

    def __init__(self, bed: Fleet, runs: int, *, deltas: int = 200, per_second: int = 40) -> None:
        self.bed, self.runs, self.deltas = bed, runs, deltas
        self.model = bed.model(deltas, per_second)
        self.patience_seconds = 45.0 + deltas / per_second
        self.lanes = Lanes(bed.expected)

    async def kill(self, victim: int, after: float, *, back_after: float, apart: bool = True) -> Taken:
        site = self.bed.sites[victim]
        births: dict[Any, str] = {}

        async def befall() -> float:
            nonlocal births
            if apart:
                births = await asyncio.to_thread(self.bed.set_apart)
            at = time.monotonic()
            await asyncio.to_thread(site.stop, signal.SIGKILL)
            await asyncio.sleep(back_after)
            await asyncio.to_thread(site.start)
            return at

        taken = await self._during(victim, after, befall)
        await asyncio.to_thread(self.bed.bring_together, births)
        return taken

    async def sleep(self, victim: int, after: float, seconds: float) -> Taken:
        site = self.bed.sites[victim]
        woken_at = 0.0

        async def befall() -> float:
            nonlocal woken_at
            at = time.monotonic()
            site.pause()
            await asyncio.sleep(seconds)
            site.wake()
            woken_at = time.monotonic()
            return at

        return await self._during(victim, after, befall, woken_at=lambda: woken_at)

    async def _during(
        self,
        victim: int,
        after: float,
        befall: Callable[[], Awaitable[float]],
        *,
        woken_at: Callable[[], float] = lambda: float("inf"),
    ) -> Taken:
        pairs = [
            (self.bed.viewer(person, victim, 1 - victim), self.bed.viewer(person, 1 - victim, victim))
            for person in range(PEOPLE)
        ]
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(opened(*(viewer for pair in pairs for viewer in pair)))
            made = await asyncio.gather(
                *(
                    self.lanes.begin(here, [there], self.model, self.deltas)
                    for here, there in pairs
                    for _ in range(self.runs // PEOPLE)
                )
            )
            await asyncio.sleep(after)
            at = await befall()
            viewers = [viewer for pair in pairs for viewer in pair]
            taken = Taken(answers=len(made))
            try:
                async with asyncio.timeout(self.patience_seconds):
                    await asyncio.gather(*(v.ended(*v.screens.values()) for v in viewers))
            except TimeoutError:
                taken.wrong.append("answers that never ended")
        self._count(taken, pairs, at, woken_at())
        taken.wrong += verdict.seen(viewers, self.bed.expected)
        taken.wrong += await asyncio.to_thread(verdict.streams, self.bed, made)
        return taken

    def _count(
        self, taken: Taken, pairs: Sequence[tuple[Viewer, Viewer]], at: float, woken_at: float
    ) -> None:
        for here, there in pairs:
            for seconds, viewer in ((taken.cut, here), (taken.elsewhere, there)):
                for screen in viewer.screens.values():
                    next_one = screen.epochs.get(2)
                    if next_one is None:
                        taken.wrong.append(f"{screen.run}: nobody was seen to go on with it")
                        continue
                    seconds.append(next_one.first_at - at)
                    # A sleeping process shows its tabs nothing before it wakes.
                    if next_one.text_at is not None and (viewer is there or woken_at == float("inf")):
                        taken.text.append(next_one.text_at - at)
            taken.claims += sum(max(screen.epochs, default=2) - 2 for screen in there.screens.values())
            old = [seen for screen in here.screens.values() for seen in screen.of_epoch(1) if seen > woken_at]
            taken.old_events += len(old)
            taken.old_seconds = max([taken.old_seconds, *(seen - woken_at for seen in old)])
