"""A run's rows in the ledger: those of failed attempts at once, the others with what they belong to."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from chat.engine import recorder
from chat.engine.attempts import Attempt
from chat.engine.books import Outcome, ledger_rows, rows_under_way
from chat.engine.database import DatabaseThreads
from chat.engine.endings import count_calls
from chat.engine.patience import unhurried
from chat.engine.reserving import StepReservations
from chat.exceptions import StorageUnavailable, UsedUp
from chat.telemetry.runs import RunMeters

logger = structlog.get_logger(__name__)


class RunLedger:
    """`attempts` grows while the run is made; the list is the engine's own. `used_up` hears when what a failed attempt
    has cost leaves nothing for another one."""

    def __init__(
        self,
        run: str,
        attempts: list[Attempt],
        *,
        reservations: StepReservations,
        used_up: Callable[[UsedUp], None],
        database: DatabaseThreads,
        meters: RunMeters,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._run = run
        self._attempts = attempts
        self._reservations = reservations
        self._used_up = used_up
        self._database = database
        self._meters = meters
        self._clock = clock
        self._now = now
        self._saving: asyncio.Task[None] | None = None

    def under_way(self) -> list[recorder.CallRecord]:
        return rows_under_way(self._attempts, clock=self._clock, now=self._now)

    def open_rows(self, outcome: Outcome) -> list[recorder.CallRecord]:
        """Of all attempts that have no row yet."""
        return ledger_rows(self._attempts, outcome, clock=self._clock, now=self._now)

    def written(self, rows: list[recorder.CallRecord]) -> None:
        """With something else, in its transaction."""
        count_calls(rows, self._meters)
        keys = {row.columns["id"] for row in rows}
        for attempt in self._attempts:
            attempt.in_ledger = attempt.in_ledger or attempt.facts.call in keys

    def attempt_failed(self) -> None:
        """What has ended is billed now: this process may be killed before the run ends."""
        ended = [attempt for attempt in self._attempts if attempt.error is not None and not attempt.in_ledger]
        self._saving = asyncio.create_task(self._save(ended, self._saving))

    async def settled(self) -> None:
        """Nothing is being written any more."""
        if self._saving is not None:
            await self._saving

    async def save_alone(self, rows: list[recorder.CallRecord]) -> None:
        """
        Raises:
            StorageUnavailable
        """
        await self._database(recorder.save_calls_alone, rows)
        self.written(rows)

    async def _save(self, ended: Sequence[Attempt], before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await before
        rows = ledger_rows(ended, Outcome("failed"), clock=self._clock, now=self._now)
        try:
            with unhurried():
                await self.save_alone(rows)
                await self._reservations.check()
        except UsedUp as error:
            self._used_up(error)
        except StorageUnavailable as error:  # they are written with the run's end
            logger.warning("attempts not in the ledger yet", run=self._run, reason=error.detail)
        except Exception:  # the answer must not end because of it
            logger.exception("attempts not in the ledger yet", run=self._run)
