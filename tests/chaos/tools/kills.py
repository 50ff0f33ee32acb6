"""P3: workers are killed while they run tools, half the times one child, half the times the whole tree."""

import asyncio
import os
import signal
import statistics
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.report import row
from tests.chaos.report import Section
from tests.chaos.tools.bed import Tooled, ask, kill_tree, tooled
from tests.project.workers import Process, running

CHILD_SECONDS, TREE_SECONDS = 3.0, 10.0
AT_ONCE = 5
HOLDS_SECONDS = 90.0
"""The worker that is killed holds each tool so long; the other one is done at once, and takes what was lost."""
PATIENCE_SECONDS = 40.0
HEADS = (
    "killed",
    "machine",
    "times",
    "tools lost",
    "next attempt, s: p50",
    "max",
    "told unknown, s: max",
    "goal",
    "wrong",
)


@dataclass
class Losses:
    goal: float
    times: int = 0
    lost: int = 0
    again: list[float] = field(default_factory=list)
    unknown: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def late(self) -> bool:
        return max(self.again + self.unknown, default=self.goal + 1) > self.goal

    def shown(self, killed: str, machine: str) -> str:
        told = f"{max(self.unknown):.1f}" if self.unknown else "none"
        figures = (
            (f"{statistics.median(self.again):.1f}", f"{max(self.again):.1f}") if self.again else ("?", "?")
        )
        return row(
            killed, machine, self.times, self.lost, *figures, told, f"≤ {self.goal:.0f}", len(self.wrong)
        )


async def measure(kills: int) -> Section:
    section = Section(f"P3: kill -9 of a worker with {AT_ONCE} tools", HEADS)
    child, near, apart = Losses(CHILD_SECONDS), Losses(TREE_SECONDS), Losses(TREE_SECONDS)
    with tooled() as bed:
        killer = Killer(bed)
        with running(killer.other):
            for number in range(max(1, round(kills / 2))):
                tree = apart if number % 2 else near
                await killer.round(number, child, tree, far=tree is apart)
        wrong = judged(bed)
    for losses, killed, machine in (
        (child, "a child", "the same"),
        (near, "the tree", "the same"),
        (apart, "the tree", "another"),
    ):
        if losses.times:
            section.add(losses.shown(killed, machine), failed=losses.late or losses.wrong)
    section.add(
        row("all tools", "", "", "", "", "", "", "one result each, none twice that may not", len(wrong)),
        failed=wrong,
    )
    section.complain([*child.wrong, *near.wrong, *apart.wrong, *wrong])
    return section


class Killer:
    """Two workers with children. One is killed, a child of it first, and started anew for each round."""

    def __init__(self, bed: Tooled) -> None:
        self.bed = bed
        self.other = bed.worker("prefork", stay=0.2, concurrency=AT_ONCE)

    async def round(self, number: int, child: Losses, tree: Losses, *, far: bool) -> None:
        victim = self.bed.worker("prefork", stay=HOLDS_SECONDS, concurrency=AT_ONCE)
        with running(victim):
            async with self.bed.tab() as tab:
                for turn in range(4):
                    await ask(tab, *calls(f"{number}-{turn}"))
            held = await self._until(lambda: self._of(victim), AT_ONCE)
            await self._one_child(held, child)
            held = await self._until(lambda: self._of(victim), AT_ONCE - 1)
            if far:
                await asyncio.to_thread(self.bed.set_apart)
            at = time.time()
            kill_tree(victim)
            await self._judge(held, at, tree)
            await self._until(lambda: [1] if self.bed.all_ended() else [], 1)

    async def _one_child(self, held: Sequence[dict[str, Any]], losses: Losses) -> None:
        at = time.time()
        os.kill(held[0]["pid"], signal.SIGKILL)
        await self._judge(held[:1], at, losses)

    async def _judge(self, held: Sequence[dict[str, Any]], at: float, losses: Losses) -> None:
        """Follows what was lost until somebody began it again, or the row says that nobody knows."""
        losses.times += 1
        losses.lost += len(held)
        waiting = {line["invocation"] for line in held}
        while waiting and time.time() - at < PATIENCE_SECONDS:
            rows = await asyncio.to_thread(self.bed.rows)
            for line in self.bed.lines():
                if line["invocation"] in waiting and line["at"] > at:
                    waiting.discard(line["invocation"])
                    losses.again.append(line["at"] - at)
            for key in [key for key in waiting if rows[key].status == "unknown"]:
                waiting.discard(key)
                losses.unknown.append(time.time() - at)
            await asyncio.sleep(0.05)
        losses.wrong += [f"{key} was not seen again" for key in waiting]

    def _of(self, victim: Process) -> list[dict[str, Any]]:
        """What it holds now."""
        done = {line["invocation"] for line in self.bed.lines("ended")}
        rows = self.bed.rows()
        last = {line["invocation"]: line for line in self.bed.lines()}
        return [
            line
            for key, line in last.items()
            if line["parent"] == victim.pid and key not in done and rows[key].status == "running"
        ]

    async def _until(self, found: Any, least: int) -> list[dict[str, Any]]:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while len(held := found()) < least:
            if time.monotonic() > give_up_at:
                raise AssertionError(f"waited in vain for {least}, there are {len(held)}")
            await asyncio.sleep(0.05)
        return list(held)


def calls(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Three that may be run twice, two that must not."""
    for number in range(AT_ONCE):
        yield ("stay_once" if number % 2 else "stay_again"), {"name": f"{name}-{number}"}


def judged(bed: Tooled, only: Collection[str] | None = None) -> list[str]:
    """At the end: every row has its one result, and nothing ran more often than it may. `only` these invocations."""
    began: dict[str, int] = {}
    for line in bed.lines():
        began[line["invocation"]] = began.get(line["invocation"], 0) + 1
    wrong = []
    for one in bed.rows().values():
        if only is not None and one.id not in only:
            continue
        if one.status not in {"succeeded", "unknown"}:
            wrong.append(f"{one.tool} {one.id} ended as {one.status}")
        if one.tool == "stay_once" and began.get(one.id, 0) > 1:
            wrong.append(f"{one.tool} {one.id} ran {began[one.id]} times")
        if one.tool == "stay_again" and one.status != "succeeded":
            wrong.append(f"{one.tool} {one.id} ended as {one.status} after {one.attempts}")
    return wrong
