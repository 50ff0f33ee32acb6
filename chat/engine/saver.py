"""Saves the partial text of all runs of this process, together, about once a second.

One transaction a second whatever the number of runs: a transaction a run would cost more than the streaming.
"""

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog

from chat.engine import recorder
from chat.engine.database import DatabaseThreads
from chat.engine.patience import unhurried
from chat.exceptions import StorageUnavailable

logger = structlog.get_logger(__name__)


class Watched(Protocol):
    """A run that is being made."""

    epoch: int

    def unsaved(self) -> recorder.Partial | None:
        """What has changed since `saved` was last called, if anything."""

    def saved(self, partial: recorder.Partial) -> None: ...

    def under_way(self) -> list[recorder.CallRecord]:
        """Ledger rows of calls that the ledger does not know of."""

    def noted(self, calls: Collection[UUID]) -> None:
        """It knows of these now."""

    def stop(self, asked_at: datetime) -> None: ...

    def abandon(self) -> None:
        """Somebody else has claimed the run, or it was deleted."""


class PartialSaver:
    """`each_seconds` is the most text, in time, that a power cut can cost."""

    def __init__(self, database: DatabaseThreads, *, each_seconds: float) -> None:
        self._database = database
        self._each_seconds = each_seconds
        self._runs: dict[str, Watched] = {}
        self._task: asyncio.Task[None] | None = None

    def watch(self, run: str, watched: Watched) -> None:
        self._runs[run] = watched

    def forget(self, run: str, watched: Watched) -> None:
        # A run that was taken over and came back has a new engine under the same name.
        if self._runs.get(run) is watched:
            del self._runs[run]

    def start(self) -> None:
        self._task = asyncio.create_task(self._save_for_ever(), name="partial saver")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def save(self) -> None:
        """One round. A database that is away is asked again at the next one, with all of the text."""
        with unhurried():
            await self._save()

    async def _save(self) -> None:
        watched = dict(self._runs)
        if not watched:
            return
        partials = {run: partial for run, one in watched.items() if (partial := one.unsaved()) is not None}
        try:
            if partials:
                await self._database(recorder.save_partials, list(partials.values()))
            await self._note_calls(watched)
            holding = await self._database(
                recorder.look_after, {run: one.epoch for run, one in watched.items()}
            )
        except StorageUnavailable as error:
            logger.warning("partial text not saved", runs=len(partials), reason=error.detail)
            return
        for run, partial in partials.items():
            watched[run].saved(partial)
        for run in holding.lost:
            watched[run].abandon()
        for run, asked_at in holding.stopped.items():
            watched[run].stop(asked_at)

    async def _note_calls(self, watched: Mapping[str, Watched]) -> None:
        calls = [call for one in watched.values() for call in one.under_way()]
        if calls:
            await self._database(recorder.note_calls, calls)
            known = {call.columns["id"] for call in calls}
            for one in watched.values():
                one.noted(known)

    async def _save_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._each_seconds)
            try:
                await self.save()
            except Exception:  # one bad run must not end the saving of all others
                logger.exception("saving partial text failed")
