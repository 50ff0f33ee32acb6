"""One run being made: asks the model, tells the log, keeps the books. One object a run and epoch."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from chat.conf import Coalescing
from chat.engine import recorder
from chat.engine.attempts import Attempt, Kept, copied, text_length
from chat.engine.books import (
    ClosedBooks,
    Outcome,
    close_books,
    failed_books,
    ledger_rows,
    rows_under_way,
)
from chat.engine.database import DatabaseThreads
from chat.engine.endings import count_calls
from chat.engine.loop import Step
from chat.engine.patience import unhurried
from chat.engine.place import PlaceInLine
from chat.engine.plan import RunPlan
from chat.engine.pressure import LoopPressure
from chat.events import run_events as ev
from chat.events.backends.base import EventLog
from chat.events.coalescer import Coalescer
from chat.events.codec import Cursor
from chat.events.fold import Part, RunState
from chat.exceptions import ChatError, Internal, ProviderError, StaleEpoch, StorageUnavailable
from chat.llm.attempt import CallFacts, Tell
from chat.llm.deltas import Delta
from chat.llm.guard import Guard
from chat.llm.redaction import secrets_of
from chat.resilience.deadline import Interrupted
from chat.telemetry.runs import RunMeters

logger = structlog.get_logger(__name__)

LONGEST_WAIT_SECONDS = 2.0
MOST_CHARACTERS = 1_000_000
"""What one answer may have; a provider that says more is stopped there."""


class RunEngine:
    """`begin`, then `make` to the end. `stop`, `abandon` and the task's cancellation end it early, each differently."""

    def __init__(
        self,
        plan: RunPlan,
        *,
        guard_for: Callable[[RunPlan], Guard],
        log: EventLog,
        database: DatabaseThreads,
        pressure: LoopPressure,
        coalescing: Coalescing,
        tell_end: recorder.TellEnd,
        meters: RunMeters,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self.plan = plan
        self.epoch = plan.epoch
        self._guard_for = guard_for
        self._asked = plan
        self._guard = guard_for(plan)
        self._log = log
        self._database = database
        self._tell_end = tell_end
        self._pressure = pressure
        self._coalescer = Coalescer(coalescing)
        self._window_seconds = coalescing.window_ms / 1000
        self._flush_handle: asyncio.TimerHandle | None = None
        self._meters = meters
        self._clock = clock
        self._now = now
        self._state = RunState(plan.message)
        rescued = plan.rescued
        self._kept = Kept.of(rescued, None) if rescued is not None and rescued.steps else None
        self._step = Step(rescued.steps[-1].step if rescued is not None and rescued.steps else 1)
        self._attempts: list[Attempt] = []
        self._to_ledger: asyncio.Task[None] | None = None
        self._noted: set[tuple[str, str]] = set()
        self._line = PlaceInLine(self._tell_place, clock)
        self._cursor = Cursor(plan.epoch, 0)
        self._saved_cursor = self._cursor
        self._stop_requested_at = plan.stop_requested_at
        self._abandoned = False
        self._too_long = False
        self._closed: ClosedBooks | None = None
        self._began = clock()

    # --- from outside ---------------------------------------------------------------------------------

    def stop(self, asked_at: datetime) -> None:
        """Ends the answer here. The line upstream closes at once; what has arrived stays."""
        if self._stop_requested_at is None:
            self._stop_requested_at = asked_at
        self._guard.stop()

    def abandon(self) -> None:
        """Stops writing: a newer epoch owns the run."""
        self._abandoned = True
        self._guard.stop()

    def unsaved(self) -> recorder.Partial | None:
        if self._cursor == self._saved_cursor:
            return None
        if self._kept is not None and self._shorter_than(self._kept):
            kept = self._kept.partial
            return kept if kept is not None and kept.last_seq > self._saved_cursor.seq else None
        return self._partial()

    def saved(self, partial: recorder.Partial) -> None:
        self._saved_cursor = Cursor(partial.epoch, partial.last_seq)

    def under_way(self) -> list[recorder.CallRecord]:
        return rows_under_way(self._attempts, clock=self._clock, now=self._now)

    def noted(self, calls: Collection[UUID]) -> None:
        for attempt in self._attempts:
            attempt.noted = attempt.noted or attempt.facts.call in calls

    # --- the road -------------------------------------------------------------------------------------

    async def make(self) -> ev.RunFinished | None:
        """Makes the answer; what was told last, or None where the run is not ours any more.

        Raises:
            asyncio.CancelledError: the process ends; the run stays open and is taken up elsewhere.
        """
        try:
            return await self._make()
        except BaseException:
            # Whoever goes on with it, its readers look for it there.
            self._log.let_go(self.plan.run, self.plan.epoch)
            raise

    async def _make(self) -> ev.RunFinished | None:
        try:
            status, error = await self._ask()
            self._line.leave()
            self._flush()
            if self._to_ledger is not None:
                await self._to_ledger
            if not self._abandoned:
                return await self._end(self._close(status, error))
        except StaleEpoch:
            pass
        except ChatError:
            raise
        except Exception:
            logger.exception("closing a run failed", run=self.plan.run)
            return await self._end(failed_books(self._step.number, Internal()))
        finally:
            self._line.leave()
            if self._flush_handle is not None:
                self._flush_handle.cancel()
        return await self._let_go()

    def begin(self) -> None:
        """Claims the run's log and tells that it has started; `make` comes next.

        Raises:
            StaleEpoch: a newer epoch has begun already.
        """
        self._log.begin(self.plan.run, self.plan.epoch, self._state)
        if self.plan.rescued is None:
            self._tell(ev.RunStarted(model=self.plan.model_name, message=self.plan.message))
        else:
            self._tell(ev.RunSnapshot(state=self.plan.rescued.as_dict()))
        if self._kept is not None and self._stop_requested_at is None:
            self._tell(ev.StepReset(step=self._step.number, reason="rescued"))
        # Also where it goes on: before, another model may have been asked.
        if self._kept is None or self._stop_requested_at is None:
            self._tell(ev.StepStarted(step=self._step.number, model=self.plan.model_name))

    async def _ask(self) -> tuple[ev.EndStatus, ChatError | None]:
        """The model's answer; returns the run's status and the error that ended it, if one did."""
        if self._stop_requested_at is not None:
            return "stopped", None
        try:
            while True:
                try:
                    await self._guard.run(self._asked.request, self)
                    break
                except ChatError as error:
                    detail = self._without_secrets(error)
                    logger.info("model call failed", run=self.plan.run, code=error.code, detail=detail)
                    if not self._go_on_with_next(error):
                        return "failed", error
        except Interrupted:
            return "limit_reached" if self._too_long else "stopped", None
        except StaleEpoch:
            raise
        except Exception:  # a bug of ours must end the run in one typed error, not in a hang
            logger.exception("run failed", run=self.plan.run)
            return "failed", Internal()
        cut = self._too_long or self._step.finish_reason == "length"
        return "limit_reached" if cut else "completed", None

    def _go_on_with_next(self, error: ChatError) -> bool:
        """The next model takes over where waiting might have helped and nobody has seen anything of this one."""
        following = self._asked.following
        if following is None or not error.retryable or self._kept is not None or self._shows_something():
            return False
        if self._stop_requested_at is not None or self._abandoned:
            return False
        logger.info("another model is asked", run=self.plan.run, model=following.model_name)
        step, before = self._step.number, self._asked.model_name
        self._asked, self._guard = following, self._guard_for(following)
        self._forget("other_model")
        self._tell(ev.StepStarted(step=step, model=following.model_name))
        note = ev.StepNote(step, "other_model", following.model_name, instead_of=before, reason=error.code)
        self._tell(note)
        self._ended_to_ledger()
        return True

    def _close(self, status: ev.EndStatus, error: ChatError | None) -> ClosedBooks:
        # An earlier attempt had come further than the last one, which is no answer either: that one stays.
        whole = status in ("completed", "limit_reached")
        if self._kept is not None and not whole and not self._abandoned and self._shorter_than(self._kept):
            self._tell(ev.RunSnapshot(state=self._kept.state))
        self._closed = close_books(
            self._step.number,
            self._attempts,
            Outcome(status, error, self._stop_requested_at),
            began=self._began,
            clock=self._clock,
            now=self._now,
        )
        return self._closed

    async def _end(self, closed: ClosedBooks) -> ev.RunFinished:
        steps = copied(self._state.steps)
        for step in steps:
            step.finished = True
        await self._commit(
            recorder.Ending(
                run=self.plan.run,
                epoch=self.plan.epoch,
                message=self.plan.message,
                conversation=self.plan.conversation,
                user=self.plan.user,
                model=self._asked.model_name,
                steps=steps,
                # The step's end and the run's end are the two events still to come.
                columns={**closed.columns, "last_seq": self._cursor.seq + 2},
                calls=closed.calls,
                finished_at=self._now(),
            )
        )
        count_calls(closed.calls, self._meters)
        self._tell(closed.step_finished)
        self._tell(closed.run_finished)
        self._log.end(self.plan.run, self.plan.epoch)
        return closed.run_finished

    def _ended_to_ledger(self) -> None:
        """What has ended is billed now: this process may be killed before the run ends."""
        ended = [attempt for attempt in self._attempts if attempt.error is not None and not attempt.in_ledger]
        self._to_ledger = asyncio.create_task(self._save_ended(ended, self._to_ledger))

    async def _save_ended(self, ended: Sequence[Attempt], before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await before
        rows = ledger_rows(ended, Outcome("failed"), clock=self._clock, now=self._now)
        try:
            with unhurried():
                await self._database(recorder.save_calls_alone, rows)
        except StorageUnavailable as error:  # they are written with the run's end
            logger.warning("attempts not in the ledger yet", run=self.plan.run, reason=error.detail)
            return
        except Exception:  # the answer must not end because of it
            logger.exception("attempts not in the ledger yet", run=self.plan.run)
            return
        count_calls(rows, self._meters)
        for attempt in ended:
            attempt.in_ledger = True

    async def _let_go(self) -> ev.RunFinished | None:
        """Claimed by another process, or deleted with its conversation; what was asked upstream is billed anyway."""
        logger.info("run is not ours any more", run=self.plan.run, epoch=self.plan.epoch)
        self._abandoned = True
        closed = self._closed or self._close("stopped", None)
        await self._database(recorder.save_calls_alone, closed.calls)
        count_calls(closed.calls, self._meters)
        if not await self._database(recorder.is_gone, self.plan.run):
            self._log.let_go(self.plan.run, self.plan.epoch)
            return None
        # Nobody else will tell those who still look at it that it is over.
        self._tell(closed.step_finished)
        self._tell(closed.run_finished)
        self._log.end(self.plan.run, self.plan.epoch)
        return closed.run_finished

    async def _commit(self, ending: recorder.Ending) -> None:
        """Writes the end, however long the database is away: the answer is whole, and only here."""
        wait_seconds = 0.1
        while True:
            try:
                with unhurried():
                    await self._database(recorder.save_ending, ending, tell=self._tell_end)
            except StorageUnavailable as error:
                logger.warning("end of a run not stored yet", run=self.plan.run, reason=error.detail)
                await asyncio.sleep(wait_seconds)
                wait_seconds = min(wait_seconds * 2, LONGEST_WAIT_SECONDS)
            else:
                return

    # --- what the guard says ----------------------------------------------------------------------------

    def attempt_began(self, facts: CallFacts, dropped: Sequence[str]) -> Tell:
        self._line.got()
        self._step = Step(self._step.number)
        self._attempts.append(Attempt(len(self._attempts) + 1, self._asked, self._step, facts))
        model = self._asked.model_name
        for option in dropped:
            if (model, option) not in self._noted and not self._abandoned:
                self._noted.add((model, option))
                self._tell(ev.StepNote(self._step.number, "option_dropped", model, option=option))
        return self._take

    def attempt_ended(self, error: ProviderError | None) -> None:
        self._flush()
        self._attempts[-1].error = error

    def retrying(self, wait_seconds: float, error: ProviderError) -> None:
        if self._abandoned:
            return
        if self._shows_something() and (self._kept is None or not self._shorter_than(self._kept)):
            self._kept = Kept.of(self._state, self._partial())
        self._forget("retrying")
        self._meters.retried(self._asked.provider, error.code)
        attempt, wait_ms = len(self._attempts) + 1, round(wait_seconds * 1000)
        self._tell(ev.RunRetrying(attempt=attempt, wait_ms=wait_ms, reason=error.code))
        self._ended_to_ledger()

    def waiting(self, place: int) -> None:
        self._line.stands(place)

    # --- telling --------------------------------------------------------------------------------------

    def _take(self, deltas: list[Delta]) -> None:
        if self._abandoned or self._too_long:
            return
        events = self._coalescer.add(self._step.take(deltas), hold=self._pressure.high)
        self._meters.deltas += len(events)
        for event in events:
            self._tell(event)
        if self._step.length > MOST_CHARACTERS:
            self._too_long = True
            # Not from within its own task: what ends without another wait would take the interruption along.
            asyncio.get_running_loop().call_soon(self._guard.stop)
        if self._coalescer.holding and self._flush_handle is None:
            self._flush_handle = asyncio.get_running_loop().call_later(self._window_seconds, self._flush)

    def _flush(self) -> None:
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        if not self._abandoned:
            events = self._coalescer.flush()
            self._meters.deltas += len(events)
            for event in events:
                self._tell(event)

    def _tell_place(self, place: int) -> None:
        if not self._abandoned:
            self._tell(ev.RunWaiting(place=place))

    def _tell(self, event: ev.RunEvent) -> None:
        self._cursor = self._log.append(self.plan.run, self.plan.epoch, event)

    def _without_secrets(self, error: ChatError) -> str:
        """Some providers repeat the key they refuse, and errors of the line name the address."""
        return secrets_of(self._asked.api_key, self._asked.endpoint).hide_in(error.detail)

    def _parts(self) -> list[Part]:
        return self._state.steps[-1].parts if self._state.steps else []

    def _shows_something(self) -> bool:
        # A signature without words is nothing that anybody has seen.
        return any(part["type"] != "reasoning" or part["text"] for part in self._parts())

    def _forget(self, reason: str) -> None:
        """What the step has so far, a signature alone too: it belongs to the attempt that has failed."""
        if self._parts():
            self._tell(ev.StepReset(step=self._step.number, reason=reason))

    def _shorter_than(self, kept: Kept) -> bool:
        return text_length(self._state.steps) < kept.length

    def _partial(self) -> recorder.Partial:
        return recorder.Partial(
            self.plan.run, self.plan.epoch, self.plan.message, self._cursor.seq, copied(self._state.steps)
        )
