"""Answers under way while something happens: each lane starts the next one when its last has ended everywhere."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from tests.chaos.fleet.viewer import Viewer
from tests.live import words


class Lanes:
    """`expected`, of the bed, is told what each run has to say."""

    def __init__(self, expected: dict[str, str]) -> None:
        self._expected = expected
        self.runs: list[str] = []
        self.over = asyncio.Event()
        """Set: no more are started."""

    async def one(self, starter: Viewer, others: Sequence[Viewer], model: str, deltas: int) -> str:
        """One answer, shown to all of them to its end."""
        screen = await self.begin(starter, others, model, deltas)
        await asyncio.gather(*(viewer.ended(viewer.screens[screen]) for viewer in (starter, *others)))
        return screen

    async def begin(self, starter: Viewer, others: Sequence[Viewer], model: str, deltas: int) -> str:
        run = (await starter.start(model)).run
        self.runs.append(run)
        self._expected[run] = words(deltas)
        for viewer in others:
            viewer.follow(run)
        return run

    async def on_and_on(
        self, starter: Viewer, others: Sequence[Viewer], model: str, deltas: int, *, after: float = 0
    ) -> None:
        await asyncio.sleep(after)
        while not self.over.is_set():
            await self.one(starter, others, model, deltas)


@asynccontextmanager
async def opened(*viewers: Viewer) -> AsyncIterator[tuple[Viewer, ...]]:
    async with AsyncExitStack() as stack:
        for viewer in viewers:
            await stack.enter_async_context(viewer)
        yield viewers
