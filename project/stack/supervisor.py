"""Starts the parts in order, starts again what dies, and ends all in order."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from pathlib import Path

from project.stack.child import Child
from project.stack.part import Part

Say = Callable[[str], None]

START_SECONDS = 120.0
ASK_EACH_SECONDS = 0.05
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 30.0
"""Who lives that long is started at once the next time it dies."""
INTERRUPT_GRACE_SECONDS = 5.0
LOOK_EACH_SECONDS = 5.0
MISSES = 3
"""So often in a row a part has not answered before it is killed. Longer than a busy machine makes anybody wait."""


class PartFailed(Exception):
    """A part did not come up at its first start: a setting is wrong, and trying again would not mend it."""


class Supervisor:
    """One stack. `start`, then `wait`, then `end`; `signalled` may come at any moment."""

    def __init__(
        self,
        parts: Sequence[Part],
        folder: Path,
        say: Say,
        *,
        look_each_seconds: float = LOOK_EACH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._parts = parts
        self._folder = folder
        self._say = say
        self._look_each_seconds = look_each_seconds
        self._clock = clock
        self._sleep = sleep
        self._children: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._wanted_end = asyncio.Event()
        self._signal = signal.SIGTERM
        self._impatient = asyncio.Event()

    def signalled(self, number: signal.Signals) -> None:
        """The first ends all in order, the second at once."""
        if self._wanted_end.is_set():
            self._impatient.set()
        self._signal = number
        self._wanted_end.set()

    @property
    def was_cut_short(self) -> bool:
        return self._impatient.is_set()

    def pid_of(self, name: str) -> int:
        return self._children[name].pid

    async def start(self) -> bool:
        """True when all parts answer, False when a signal came first. Raises `PartFailed`."""
        for _, stage in groupby(sorted(self._parts, key=lambda part: part.begins), lambda part: part.begins):
            if not await self._unless_ended([asyncio.create_task(self._begin(part)) for part in stage]):
                return False
        return True

    async def _unless_ended(self, begun: list[asyncio.Task[None]]) -> bool:
        end = asyncio.create_task(self._wanted_end.wait())
        all_of_them = asyncio.create_task(_each(begun))
        try:
            await asyncio.wait([all_of_them, end], return_when=asyncio.FIRST_COMPLETED)
            if self._wanted_end.is_set():
                return False
            await all_of_them
        finally:
            for task in (end, all_of_them, *begun):
                task.cancel()
            await asyncio.gather(end, all_of_them, *begun, return_exceptions=True)
        return True

    async def wait(self) -> None:
        """Until a signal comes."""
        await self._wanted_end.wait()

    async def end(self) -> None:
        self._wanted_end.set()
        for task in self._keepers.values():
            task.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        for _, stage in groupby(sorted(self._parts, key=lambda part: part.ends), lambda part: part.ends):
            children = [self._children[part.name] for part in stage if part.name in self._children]
            await asyncio.gather(*map(self._end_child, children))

    async def _begin(self, part: Part) -> None:
        child = await self._start(part)
        if not await self._comes_up(child):
            code = await child.wait() if not child.lives else None
            what = f"ended with {_spelled(code)}" if code is not None else "does not answer"
            raise PartFailed(f"{part.name} {what}:\n{child.last_words()}")
        self._keepers[part.name] = asyncio.create_task(self._keep(child), name=part.name)

    async def _start(self, part: Part) -> Child:
        try:
            child = self._children[part.name] = await Child.start(part, self._folder)
        except OSError as error:
            raise PartFailed(f"{part.name} cannot be started: {error}") from None
        return child

    async def _comes_up(self, child: Child) -> bool:
        give_up_at = self._clock() + START_SECONDS
        while child.part.answers is not None and not await child.part.answers():
            if not child.lives or self._clock() > give_up_at:
                return False
            await self._sleep(ASK_EACH_SECONDS)
        return True

    async def _keep(self, child: Child) -> None:
        part, pause = child.part, 0.0
        while True:
            began = self._clock()
            code = await self._until_gone(child)
            if self._clock() - began > STEADY_SECONDS:
                pause = 0.0
            what = f"{part.name} ended ({_spelled(code)})"
            while True:
                if pause:
                    self._say(f"{what}; another try in {pause:g} s, see {self._folder / part.name}.log")
                    await self._sleep(pause)
                pause = min(max(pause * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
                try:
                    child = await self._start(part)
                except PartFailed as error:
                    what = str(error)
                else:
                    break
            self._say(f"{what}; started again, pid {child.pid}")

    async def _until_gone(self, child: Child) -> int:
        """Its exit code. What hangs is killed: nobody else would notice, while people wait for it."""
        part, missed = child.part, 0
        gone = asyncio.ensure_future(child.wait())
        try:
            while not gone.done():
                await asyncio.wait({gone}, timeout=self._look_each_seconds if part.lives else None)
                if gone.done() or part.lives is None:
                    break
                missed = 0 if await part.lives() else missed + 1
                if missed == MISSES:
                    self._say(f"{part.name} does not answer any more and is killed.")
                    child.send(part.kill_signal)
            return await gone
        finally:
            gone.cancel()

    async def _end_child(self, child: Child) -> None:
        part = child.part
        if child.lives and not self._impatient.is_set():
            child.send(part.end_signal or self._signal)
            grace = INTERRUPT_GRACE_SECONDS if self._signal == signal.SIGINT else part.grace_seconds
            gone = asyncio.ensure_future(child.wait())
            hurry = asyncio.ensure_future(self._impatient.wait())
            await asyncio.wait([gone, hurry], timeout=grace, return_when=asyncio.FIRST_COMPLETED)
            hurry.cancel()
            if not gone.done() and not self._impatient.is_set():
                self._say(f"{part.name} did not end within {grace:g} s and is killed.")
        if child.lives:
            child.send(part.kill_signal)
        await child.wait()


async def _each(tasks: list[asyncio.Task[None]]) -> None:
    """Raises what the first that fails does."""
    for task in asyncio.as_completed(tasks):
        await task


def _spelled(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
