"""One run being made: step after step, until the model has answered. One object a run and epoch."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog

from chat.conf import Coalescing
from chat.engine import recorder
from chat.engine.asking import Asking
from chat.engine.books import ClosedBooks, Outcome, close_books, failed_books
from chat.engine.database import DatabaseThreads
from chat.engine.invocations import Seen
from chat.engine.patience import unhurried
from chat.engine.plan import RunPlan
from chat.engine.pressure import LoopPressure
from chat.engine.reserving import StepReservations
from chat.engine.run_ledger import RunLedger
from chat.engine.telling import Telling
from chat.engine.tool_phase import Parked, Stopped
from chat.engine.tool_steps import LimitReached, ToolSteps
from chat.engine.tool_watch import ToolWatch
from chat.events import run_events as ev
from chat.events.backends.base import EventLog
from chat.events.fold import settled
from chat.exceptions import (
    ChatError,
    Internal,
    ModerationBlocked,
    StaleEpoch,
    StorageUnavailable,
    ToolLimit,
    UsedUp,
)
from chat.llm.guard import Guard
from chat.models.tools import TellInvocations
from chat.moderation.rules import Rule
from chat.resilience.deadline import Interrupted
from chat.telemetry.runs import RunMeters

logger = structlog.get_logger(__name__)

LONGEST_WAIT_SECONDS = 2.0

Ended = tuple[ev.EndStatus, ChatError | None]


class RunEngine:
    """`begin`, then `make` to the end. `stop`, `abandon` and the task's cancellation end it early, each differently."""

    def __init__(
        self,
        plan: RunPlan,
        *,
        guard_for: Callable[[RunPlan], Guard],
        log: EventLog,
        database: DatabaseThreads,
        give_out: Callable[[Seen], Awaitable[None]],
        waits: Callable[[RunPlan, Seen], None],
        watch: ToolWatch,
        new_id: Callable[[], str],
        pressure: LoopPressure,
        coalescing: Coalescing,
        tell_end: recorder.TellEnd,
        tell_invocations: TellInvocations,
        meters: RunMeters,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        """`give_out` sends an invocation to whoever runs it, `waits` hears of those that wait for somebody, `new_id`
        names the next one."""
        self.plan = plan
        self.epoch = plan.epoch
        self._database = database
        self._save_ending = partial(recorder.save_ending, tell=tell_end, tell_invocations=tell_invocations)
        self._clock = clock
        self._now = now
        self._telling = Telling(plan, log)
        steps = plan.rescued.steps if plan.rescued is not None else []
        self._goes_on_with_tools = bool(steps) and steps[-1].finished
        self._asking = Asking(
            plan,
            first_step=steps[-1].step if steps else 1,
            guard_for=guard_for,
            telling=self._telling,
            attempt_failed=lambda: self._ledger.attempt_failed(),
            new_id=new_id,
            pressure=pressure,
            coalescing=coalescing,
            meters=meters,
            clock=clock,
        )
        self._reservations = StepReservations(plan, database=database, now=now)
        self._used_up: UsedUp | None = None
        self._ledger = RunLedger(
            plan.run,
            self._asking.attempts,
            reservations=self._reservations,
            used_up=self._stop_for,
            database=database,
            meters=meters,
            clock=clock,
            now=now,
        )
        self._tools = ToolSteps(
            plan,
            asking=self._asking,
            telling=self._telling,
            ledger=self._ledger,
            reservations=self._reservations,
            database=database,
            commit=self._commit,
            give_out=give_out,
            waits=partial(waits, plan),
            tell_invocations=tell_invocations,
            watch=watch,
            clock=clock,
            now=now,
        )
        self._stop_requested_at = plan.stop_requested_at
        self.parked = False
        """It was made as far as it can be; somebody has to answer."""
        self._abandoned = False
        self._closed: ClosedBooks | None = None
        self._began = clock()

    # --- from outside ---------------------------------------------------------------------------------

    def stop(self, asked_at: datetime) -> None:
        """Ends the answer here. The line upstream closes at once; what has arrived stays."""
        if self._stop_requested_at is None:
            self._stop_requested_at = asked_at
        self._asking.stop()
        self._tools.stop()

    def abandon(self) -> None:
        """Stops writing: a newer epoch owns the run."""
        self._abandoned = True
        self._asking.be_silent()
        self._tools.abandon()

    def tool_news(self) -> None:
        """Something may have happened to one of its invocations."""
        self._tools.news()

    def unsaved(self) -> recorder.Partial | None:
        return self._telling.unsaved()

    def saved(self, partial: recorder.Partial) -> None:
        self._telling.saved(partial)

    def under_way(self) -> list[recorder.CallRecord]:
        return self._ledger.under_way()

    def noted(self, calls: Collection[UUID]) -> None:
        for attempt in self._asking.attempts:
            attempt.noted = attempt.noted or attempt.facts.call in calls

    # --- the road -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Claims the run's log and tells that it has started; `make` comes next.

        Raises:
            StaleEpoch: a newer epoch has begun already.
        """
        self._telling.begin()
        if self._goes_on_with_tools:
            return
        step, kept = self._asking.step.number, self._telling.kept
        if kept is not None and self._stop_requested_at is None:
            self._telling.tell(ev.StepReset(step=step, reason="rescued"))
        # Also where it goes on: before, another model may have been asked.
        if kept is None or self._stop_requested_at is None:
            self._telling.tell(ev.StepStarted(step=step, model=self.plan.model_name))

    async def make(self) -> ev.RunFinished | None:
        """Makes the answer; what was told last, or None where the run is not ours any more, or parked.

        Raises:
            asyncio.CancelledError: the process ends; the run stays open and is taken up elsewhere.
        """
        try:
            return await self._make()
        except BaseException:
            self._telling.let_go()
            raise

    async def _make(self) -> ev.RunFinished | None:
        try:
            status, error = await self._go()
            if (rule := self._asking.ended_by) is not None:
                status, error = self._ended_by_rule(rule)
            self._asking.close()
            await self._ledger.settled()
            if not self._abandoned:
                return await self._end(self._close(status, error))
        except Parked:
            self.parked = True
            logger.info("run is parked", run=self.plan.run, epoch=self.plan.epoch)
            self._telling.let_go()
            return None
        except StaleEpoch:
            pass
        except ChatError:
            raise
        except Exception:
            logger.exception("closing a run failed", run=self.plan.run)
            return await self._end(failed_books(self._asking.step.number, Internal()), counted=False)
        finally:
            self._asking.close()
        return await self._let_go()

    async def _go(self) -> Ended:
        """All steps. How the run ends, and the error that ended it, if one did.

        Raises:
            Parked: it goes on when somebody answers.
        """
        try:
            await self._tools.recall()
            if self._goes_on_with_tools:
                await self._tools.go_on()
            elif self._stop_requested_at is not None:
                return "stopped", None
            elif self.plan.epoch > 1:
                # What an earlier epoch had set aside was settled when the run was taken over.
                await self._reservations.take(self._asking.step.number, self._tools.said())
            await self._all_steps()
        except (Interrupted, Stopped):
            return self._interrupted()
        except LimitReached as limit:
            return "limit_reached", ToolLimit(
                f"The answer went as far by itself as it may: {limit}.", detail=str(limit)
            )
        except (Parked, StaleEpoch):
            raise
        except UsedUp as error:
            return "limit_reached", error
        except ChatError as error:
            return "failed", error
        except Exception:  # a bug of ours must end the run in one typed error, not in a hang
            logger.exception("run failed", run=self.plan.run)
            return "failed", Internal()
        cut = self._asking.too_long or self._asking.step.finish_reason == "length"
        return ("limit_reached" if cut else "completed"), None

    def _stop_for(self, error: UsedUp) -> None:
        """What a failed attempt has cost leaves nothing for another one."""
        self._used_up = error
        self._asking.stop()

    def _interrupted(self) -> Ended:
        if self._used_up is not None and self._stop_requested_at is None:
            return "limit_reached", self._used_up
        return ("limit_reached" if self._asking.too_long else "stopped"), None

    async def _all_steps(self) -> None:
        """
        Raises:
            Stopped, Interrupted, Parked, StaleEpoch, LimitReached, ChatError
        """
        while True:
            if self._stop_requested_at is not None:
                raise Stopped
            await self._asking.ask(self._tools.said())
            if not self._asking.step.calls or self._abandoned or self._asking.ended_by is not None:
                return
            await self._tools.use()

    def _ended_by_rule(self, rule: Rule) -> Ended:
        if rule.action != "block":
            return "completed", None
        error = ModerationBlocked(f"The answer was ended here by a rule of this site: {rule.name}.")
        self._asking.attempts[-1].error = error
        return "failed", error

    def _close(self, status: ev.EndStatus, error: ChatError | None) -> ClosedBooks:
        # An earlier attempt had come further than the last one, which is no answer either: that one stays.
        is_answer = status in ("completed", "limit_reached") and not isinstance(error, UsedUp)
        kept_counts = not is_answer and self._asking.ended_by is None
        if kept_counts and not self._abandoned:
            self._telling.bring_back_kept()
        self._closed = close_books(
            self._asking.step.number,
            self._asking.attempts,
            Outcome(status, error, self._stop_requested_at),
            began=self._began,
            earlier=self.plan.earlier,
            clock=self._clock,
            now=self._now,
        )
        return self._closed

    async def _end(self, closed: ClosedBooks, *, counted: bool = True) -> ev.RunFinished:
        told = self._telling.state.steps
        # A step that used tools, and was the last, has told its own end.
        open_step = not told or not told[-1].finished
        steps = settled(told)
        await self._commit(
            self._save_ending,
            recorder.Ending(
                run=self.plan.run,
                epoch=self.plan.epoch,
                message=self.plan.message,
                conversation=self.plan.conversation,
                user=self.plan.user,
                model=self._asking.asked.model_name,
                steps=steps,
                # The run's end, and before it the step's, are still to come.
                columns={**closed.columns, "last_seq": self._telling.cursor.seq + 1 + open_step},
                calls=closed.calls,
                hits=self._asking.take_hits(),
                finished_at=self._now(),
                counted=counted,
            ),
        )
        self._ledger.written(closed.calls)
        self._tell_end(closed, with_step=open_step)
        return closed.run_finished

    async def _let_go(self) -> ev.RunFinished | None:
        """Claimed by another process, or deleted with its conversation; what was asked upstream is billed anyway."""
        logger.info("run is not ours any more", run=self.plan.run, epoch=self.plan.epoch)
        self._abandoned = True
        closed = self._closed or self._close("stopped", None)
        await self._ledger.save_alone(closed.calls)
        if not await self._database(recorder.is_gone, self.plan.run):
            self._telling.let_go()
            return None
        # Nobody else will tell those who still look at it that it is over.
        self._tell_end(closed, with_step=True)
        return closed.run_finished

    def _tell_end(self, closed: ClosedBooks, *, with_step: bool) -> None:
        if with_step:
            self._telling.tell(closed.step_finished)
        self._telling.tell(closed.run_finished)
        self._telling.end()

    async def _commit(self, save: Callable[[recorder.T], None], what: recorder.T) -> None:
        """Writes what is only here, however long the database is away."""
        wait_seconds = 0.1
        while True:
            try:
                with unhurried():
                    await self._database(save, what)
            except StorageUnavailable as error:
                logger.warning("not stored yet", run=self.plan.run, reason=error.detail)
                await asyncio.sleep(wait_seconds)
                wait_seconds = min(wait_seconds * 2, LONGEST_WAIT_SECONDS)
            else:
                return
