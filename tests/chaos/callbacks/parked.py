"""Runs that wait for other people's servers: nothing is held for them, and a callback wakes them at once."""

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.report import row
from tests.chaos.callbacks.bed import Answered, Bed, Call, bed
from tests.chaos.callbacks.held import HEADS, Held, grown
from tests.chaos.fleet.verdict import p
from tests.chaos.report import Section

PER_SECOND = 20.0
MOST_SECONDS = 1.0
WARM_UP = 40
"""Runs before the first count: connections, threads and caches are there after them."""
SHARE, FEW = 0.05, 15
"""Of the parked runs: what comes and goes, as connections in a pool do, is no more. Of a few runs, so many."""
SETTLE_SECONDS = 8.0
"""Longer than connections of HTTP clients are kept open for nobody."""
COLUMNS = {"SQLite": False, "PostgreSQL, Redis": True}
HELD_HEADS = ("", "", *HEADS, "queued")
WOKEN_HEADS = (
    "",
    "runs",
    "callback answered, ms: p50",
    "max",
    "taken up after it, s: p50",
    "p95",
    "max",
    "whole answer, s: p50",
    "max",
    "wrong",
)


@dataclass
class Woken:
    """Seconds from the answer to the callback."""

    answered: list[Answered]
    taken_up: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def late(self) -> bool:
        return max(self.taken_up, default=MOST_SECONDS + 1) > MOST_SECONDS

    def shown(self, name: str) -> str:
        took = [(one.answered_at - one.sent_at) * 1000 for one in self.answered]
        return row(
            name,
            len(self.answered),
            f"{p(took, 0.5):.0f}",
            f"{max(took):.0f}",
            *(f"{p(self.taken_up, share):.2f}" for share in (0.5, 0.95)),
            f"{max(self.taken_up):.2f}",
            f"{p(self.ended, 0.5):.2f}",
            f"{max(self.ended):.2f}",
            len(self.wrong),
        )


async def measure(runs: int, killed: int) -> Section:
    """Two tables: what is held, and how soon they go on."""
    section = Section(f"{runs} runs that wait for a webhook tool: what is held", HELD_HEADS)
    wrong: list[str] = []
    woken: dict[str, Woken] = {}
    for name, many in COLUMNS.items():
        with bed(many=many) as found:
            wrong += await hold(found, runs, section, name)
            woken[f"{name}: {PER_SECOND:.0f} callbacks a second"] = await wake(found)
            woken[f"{name}: their process was killed"] = await wake_after_kill(found, killed)
    section.complain(wrong)
    section.note(
        f"None any more: {WARM_UP} runs have ended, so pools and caches are filled. Allowed beyond what is held then: "
        f"{SHARE:.0%} of the runs. Celery: calls of tools; `queued` is what waits for a worker."
    )
    section.table("Parked runs and their callbacks", WOKEN_HEADS)
    for name, one in woken.items():
        section.add(one.shown(name), failed=one.late or one.wrong)
    section.complain([said for one in woken.values() for said in one.wrong])
    section.note(
        f"Taken up: from the 200 to the row's claim by a process, goal ≤ {MOST_SECONDS:.0f} s for each. Whole answer: "
        "to the end of the run. Wrong: not one result, one claim, two calls of the model, one call of the tool's "
        "server and the whole text for each. Eight people start them all, so a socket's limits of commands are raised."
    )
    return section


async def hold(
    found: Bed, runs: int, section: Section, name: str, settle_seconds: float = SETTLE_SECONDS
) -> list[str]:
    """Parks them and counts."""

    async def counted(when: str) -> dict[str, Held]:
        await asyncio.sleep(settle_seconds)
        return await _counted(found, section, name, when)

    await counted("before the first run")
    await found.park(min(WARM_UP, runs))
    await wake(found)
    before = await counted("none parked any more")
    await found.park(runs)
    after = await counted(f"{runs} parked")
    wrong = held_too_much(before, after, allowed=max(FEW, round(SHARE * runs)))
    if queued := found.queued():
        wrong.append(f"{queued} calls of tools queued")
    section.failed += bool(wrong)
    return [f"{name}, {said}" for said in wrong]


def held_too_much(before: dict[str, Held], after: dict[str, Held], allowed: int) -> list[str]:
    return [
        f"{process}: {said}"
        for process, held in after.items()
        for said in grown(before[process], held, allowed)
    ]


async def _counted(found: Bed, section: Section, name: str, when: str) -> dict[str, Held]:
    held = await asyncio.to_thread(found.held)
    queued = await asyncio.to_thread(found.queued)
    for process, one in held.items():
        section.add(row(f"{name}: {process}", when, *one.cells(), queued))
    return held


async def wake(found: Bed) -> Woken:
    """All that wait, at every process in turn."""
    waiting = [call for call in found.calls() if call.status == "waiting"]
    return await _wake(found, waiting, *range(len(found.sites)))


async def wake_after_kill(found: Bed, runs: int) -> Woken:
    """The process that has parked them is gone. The other one hears of the callbacks, or it itself once it is back."""
    calls = await found.park(runs, door=0)
    victim = found.sites[0]
    await asyncio.to_thread(victim.stop, signal.SIGKILL)
    if len(found.sites) == 1:
        await asyncio.to_thread(victim.start)
    return await _wake(found, calls, len(found.sites) - 1)


async def _wake(found: Bed, calls: Sequence[Call], *doors: int) -> Woken:
    woken = Woken(await found.answer(calls, PER_SECOND, *doors))
    try:
        await found.all_ended()
    except TimeoutError:
        woken.wrong.append("runs that never ended")
    ends = found.ends()
    for one in woken.answered:
        end = ends[one.run]
        woken.taken_up.append(max(0.0, end.claimed_at - one.answered_at))
        woken.ended.append((end.finished_at or float("inf")) - one.answered_at)
    woken.wrong += found.complaints(woken.answered)
    return woken
