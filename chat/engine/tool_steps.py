"""The steps of a run in which the model asks for tools: committed, run, and said again to the model."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from chat.engine import invocations, recorder
from chat.engine.asking import Asking
from chat.engine.attempts import copied
from chat.engine.books import Outcome, close_step
from chat.engine.database import DatabaseThreads
from chat.engine.invocations import Seen
from chat.engine.loop import AskedCall, same_call
from chat.engine.plan import RunPlan
from chat.engine.reserving import StepReservations
from chat.engine.run_ledger import RunLedger
from chat.engine.telling import Telling
from chat.engine.tool_messages import said_in
from chat.engine.tool_phase import LOOK_SECONDS, Parked, Stopped, ToolPhase
from chat.engine.tool_watch import ToolWatch
from chat.exceptions import StorageUnavailable
from chat.llm.messages import ChatMessage
from chat.models import ToolInvocation
from chat.models.tools import TellInvocations

logger = structlog.get_logger(__name__)

REPEATED = 2
"""The same tool with the same arguments so often in one answer; once more is not run."""

STOP_SECONDS = 0.05

Commit = Callable[[Callable[[Any], None], Any], Awaitable[None]]


class LimitReached(Exception):
    """The run has gone as far by itself as it may; which limit it was."""


class ToolSteps:
    """`commit` writes something that is only here, however long that takes."""

    def __init__(
        self,
        plan: RunPlan,
        *,
        asking: Asking,
        telling: Telling,
        ledger: RunLedger,
        reservations: StepReservations,
        database: DatabaseThreads,
        commit: Commit,
        give_out: Callable[[Seen], Awaitable[None]],
        waits: Callable[[Seen], None],
        tell_invocations: TellInvocations,
        watch: ToolWatch,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._plan = plan
        self._asking = asking
        self._telling = telling
        self._ledger = ledger
        self._reservations = reservations
        self._database = database
        self._commit = commit
        self._give_out = give_out
        self._waits = waits
        self._tell_invocations = tell_invocations
        self._watch = watch
        self._clock = clock
        self._now = now
        self._tools = {tool.name: tool for tool in plan.tools}
        self._seen: dict[str, Seen] = {}
        self._phase: ToolPhase | None = None
        self._stopped = plan.stop_requested_at is not None
        self._abandoned = False
        self._began = clock() - plan.worked_seconds

    def news(self) -> None:
        if self._phase is not None:
            self._phase.news()

    def stop(self) -> None:
        self._stopped = True
        if self._phase is not None:
            self._phase.stop()

    def abandon(self) -> None:
        self._abandoned = True
        if self._phase is not None:
            self._phase.abandon()

    def said(self) -> tuple[ChatMessage, ...]:
        """What the model has said and been told in this run's earlier steps."""
        done = [step for step in self._telling.state.steps if step.finished]
        return said_in(done, self._seen)

    async def use(self) -> None:
        """Runs what the step that has just ended asks for, and begins the next one.

        Raises:
            Parked, Stopped, StaleEpoch
            LimitReached: the calls were not run, and their results say so.
            UsedUp: they were, and a quota does not let the model be asked again.
        """
        step = self._asking.step
        limit = self._limit(step.calls)
        rows = invocations.rows_of(self._plan, step.number, step.calls, self._tools, self._now())
        asked = Counter(same_call(one.name, one.arguments) for one in self._seen.values())
        for row, call in zip(rows, step.calls, strict=True):
            asked[what := same_call(call.name, call.arguments)] += 1
            if limit:
                _close(row, ToolInvocation.Status.CANCELLED, f"Not run: {limit}.", self._now())
            elif asked[what] > REPEATED and row.status != ToolInvocation.Status.FAILED:
                words = "Not run: this was asked with the same arguments before, and the answer stands above."
                _close(row, ToolInvocation.Status.FAILED, words, self._now())
        await self._ledger.settled()
        steps = copied(self._telling.state.steps)
        steps[-1].finished = True
        calls = self._ledger.open_rows(Outcome("completed"))
        await self._commit(
            partial(recorder.save_step, tell=self._tell_invocations),
            recorder.StepEnding(
                run=self._plan.run,
                epoch=self._plan.epoch,
                message=self._plan.message,
                # The step's end is the one event still to come.
                last_seq=self._telling.cursor.seq + 1,
                steps=steps,
                calls=calls,
                invocations=rows,
                hits=self._asking.take_hits(),
            ),
        )
        self._ledger.written(calls)
        self._telling.tell(close_step(step.number, self._asking.attempts))
        await self._follow(step.number)
        if limit:
            raise LimitReached(limit)
        await self._begin_step(step.number + 1)

    async def recall(self) -> None:
        """What came of the calls in steps that an earlier epoch has finished; those of the last one may be open."""
        for step in self._telling.state.steps:
            if step.finished:
                self._remember(await self._looked_up(step.step))

    async def _looked_up(self, step: int) -> list[Seen]:
        """However long the database is away."""
        while True:
            try:
                return await self._database(invocations.look, self._plan.run, step)
            except StorageUnavailable as error:
                logger.warning("earlier tools not looked up yet", run=self._plan.run, reason=error.detail)
                await asyncio.sleep(LOOK_SECONDS)

    async def go_on(self) -> None:
        """With a step that an earlier epoch has committed: its tools may be done, under way, or wait for somebody.

        Raises:
            Parked, Stopped, StaleEpoch, UsedUp
        """
        last = self._telling.state.steps[-1].step
        await self._follow(last)
        await self._begin_step(last + 1)

    async def _begin_step(self, number: int) -> None:
        await self._reservations.take(number, self.said())
        self._asking.begin_step(number)

    async def _follow(self, step: int) -> None:
        self._phase = ToolPhase(
            self._plan.run,
            step,
            user=self._plan.user,
            at_once=self._plan.loop.at_once,
            user_at_once=self._plan.loop.user_at_once,
            telling=self._telling,
            database=self._database,
            give_out=self._give_out,
            waits=self._waits,
            tell_invocations=self._tell_invocations,
            tools=self._tools,
            watch=self._watch,
            clock=self._clock,
        )
        if self._stopped:
            self._phase.stop()
        if self._abandoned:
            self._phase.abandon()
        while True:
            try:
                seen = await self._phase.results()
            except Parked:
                if await self._park():
                    raise
                # Somebody has answered just now, or pressed stop, which we may hear of a little later than the row;
                # or the database is away.
                await asyncio.sleep(STOP_SECONDS)
            else:
                self._remember(seen)
                if self._stopped:
                    raise Stopped
                return

    async def _park(self) -> bool:
        partial = self._telling.partial()
        try:
            parked = await self._database(recorder.park, partial, self._clock() - self._began)
        except StorageUnavailable as error:
            logger.warning("not parked yet", run=self._plan.run, reason=error.detail)
            return False
        if parked:
            self._telling.saved(partial)
        return parked

    def _remember(self, seen: Sequence[Seen]) -> None:
        self._seen.update({one.id: one for one in seen})

    def _limit(self, calls: Sequence[AskedCall]) -> str:
        """Which limit these calls would pass; "" for none."""
        limits = self._plan.loop
        if self._asking.step.number >= limits.steps:
            return f"an answer has at most {limits.steps} steps"
        if len(self._seen) + len(calls) > limits.invocations:
            return f"an answer calls tools at most {limits.invocations} times"
        if self._clock() - self._began > limits.seconds:
            return f"an answer works for at most {limits.seconds:g} seconds"
        return ""


def _close(row: ToolInvocation, status: ToolInvocation.Status, words: str, now: datetime) -> None:
    row.status, row.result, row.finished_at = status, words, now
    row.waits_for, row.deadline_at = "", None
