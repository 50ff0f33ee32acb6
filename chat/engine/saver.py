"""Saves the partial text of all runs of this process, together, about once a second.

One transaction a second whatever the number of runs: a transaction a run would cost more than the streaming.
"""

import asyncio
from typing import Protocol

import structlog

from chat.engine import recorder
from chat.engine.database import DatabaseThreads
from chat.exceptions import StorageUnavailable

logger = structlog.get_logger(__name__)


class Saved(Protocol):
    """A run that is being made."""

    def unsaved(self) -> recorder.Partial | None:
        """What has changed since the last call, if anything."""

    def abandon(self) -> None:
        """Somebody else has claimed the run."""


class PartialSaver:
    """`each_seconds` is the most text, in time, that a power cut can cost."""

    def __init__(self, database: DatabaseThreads, *, each_seconds: float) -> None:
        self._database = database
        self._each_seconds = each_seconds
        self._runs: dict[str, Saved] = {}
        self._task: asyncio.Task[None] | None = None

    def watch(self, run: str, saved: Saved) -> None:
        self._runs[run] = saved

    def forget(self, run: str) -> None:
        self._runs.pop(run, None)

    def start(self) -> None:
        self._task = asyncio.create_task(self._save_for_ever(), name="partial saver")

    async def stop(self) -> None:
        """Saves once more, then ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.save()

    async def save(self) -> None:
        partials = [partial for saved in self._runs.values() if (partial := saved.unsaved()) is not None]
        if not partials:
            return
        try:
            stale = await self._database(recorder.save_partials, partials)
        except StorageUnavailable as error:
            # The text is still in memory; the next round writes all of it.
            logger.warning("partial text not saved", runs=len(partials), reason=error.detail)
            return
        for run in stale:
            if run in self._runs:
                self._runs[run].abandon()

    async def _save_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._each_seconds)
            try:
                await self.save()
            except Exception:  # one bad run must not end the saving of all others
                logger.exception("saving partial text failed")
