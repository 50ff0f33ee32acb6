"""The tools of one step: given out, followed until each has its result, told as they go. Or parked, if all wait."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from uuid import UUID

import structlog

from chat.engine import invocations
from chat.engine.database import DatabaseThreads
from chat.engine.invocations import Seen
from chat.engine.plan import OfferedTool
from chat.engine.telling import Telling
from chat.engine.tool_watch import Deliveries, ToolWatch, may_run_again
from chat.events import run_events as ev
from chat.exceptions import StaleEpoch, StorageUnavailable
from chat.models.tools import TellInvocations

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""The net under the hints."""


class Parked(Exception):
    """Every invocation without a result waits for somebody outside."""


class Stopped(Exception):
    """Somebody pressed stop. What had no result is cancelled."""


class ToolPhase:
    """One step's. `give_out` sends an invocation to whoever runs it; it may fail quietly, the row is the truth. `waits`
    hears of those that wait for somebody, and again where nobody came in time.

    What viewers hear is the difference between a row as it was told last and as it stands now.
    """

    def __init__(
        self,
        run: str,
        step: int,
        *,
        user: UUID,
        at_once: int,
        user_at_once: int,
        telling: Telling,
        database: DatabaseThreads,
        give_out: Callable[[Seen], Awaitable[None]],
        waits: Callable[[Seen], None],
        tell_invocations: TellInvocations,
        tools: Mapping[str, OfferedTool],
        watch: ToolWatch,
        clock: Callable[[], float],
    ) -> None:
        self._run = run
        self._step = step
        self._user = user
        self._at_once = at_once
        self._user_at_once = user_at_once
        self._telling = telling
        self._database = database
        self._give_out = give_out
        self._waits = waits
        self._tell_invocations = tell_invocations
        self._tools = tools
        self._watch = watch
        self._clock = clock
        self._deliveries = Deliveries()
        self._news = asyncio.Event()
        self._stopped = False
        self._abandoned = False
        self._told: dict[str, tuple[object, ...]] = {}
        parts = [part for state in telling.state.steps for part in state.parts]
        self._ended = {part["invocation"] for part in parts if part["type"] == "tool_result"}
        self._waiting = {part["invocation"] for part in parts if part.get("status") == "waiting"}
        """Of which viewers were told, by an earlier epoch too, that they wait."""

    def news(self) -> None:
        """Some row may have changed."""
        self._news.set()

    def stop(self) -> None:
        self._stopped = True
        self._news.set()

    def abandon(self) -> None:
        """Nothing more is told, given out or decided here: the run is not ours any more."""
        self._abandoned = True
        self._news.set()

    async def results(self) -> list[Seen]:
        """All of them, once each has ended; the database may be away meanwhile.

        Raises:
            Parked
            Stopped
            StaleEpoch: the run is not ours any more.
        """
        while True:
            self._news.clear()
            try:
                seen = await self._look()
            except StorageUnavailable as error:
                logger.warning("tools not looked after", run=self._run, reason=error.detail)
            else:
                if all(one.ended for one in seen):
                    return seen
                if self._stopped:
                    raise Stopped
                if all(one.ended or one.status == "waiting" for one in seen):
                    raise Parked
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _look(self) -> list[Seen]:
        seen = await self._read()
        open_ones = [one for one in seen if not one.ended]
        if self._stopped and open_ones:
            cancel = partial(invocations.cancel, tell=self._tell_invocations)
            await self._database(cancel, [one.id for one in open_ones])
            seen = await self._read()
        elif late := [one.id for one in open_ones if one.late]:
            # Before the lost: who has had all its time is not run anew, though its worker was killed for it.
            await self._database(partial(invocations.give_up_late, tell=self._tell_invocations), late)
            seen = await self._read()
        if lost := [one for one in seen if one.lost]:
            again = {one.id for one in lost if may_run_again(one, self._tools)}
            take = partial(invocations.take_from_the_dead, tell=self._tell_invocations)
            await self._database(take, lost, again)
            seen = await self._read()
        for one in seen:
            self._tell(one)
        if not self._stopped:
            await self._give_out_next(seen)
        return seen

    async def _read(self) -> list[Seen]:
        look = partial(invocations.look, birth=self._watch.birth, lease_seconds=self._watch.lease)
        seen = await self._database(look, self._run, self._step)
        if self._abandoned:
            raise StaleEpoch
        return seen

    async def _give_out_next(self, seen: Sequence[Seen]) -> None:
        """So many at once; the others stay pending until one of those has ended."""
        out = sum(
            1 for one in seen if one.status == "running" or (one.status == "pending" and one.dispatched)
        )
        waiting = [one for one in seen if one.status == "pending" and not one.dispatched and one.due]
        now = self._clock()
        # Twice delivered is no harm: the second claim finds nothing to begin. They have their place already.
        next_ones = [
            one
            for one in seen
            if one.status == "pending" and one.dispatched and self._deliveries.is_due_again(one.id, now)
        ]
        next_ones += waiting[: max(0, self._at_once - out)]
        if not next_ones:
            return
        keys = [one.id for one in next_ones]
        given = await self._database(
            partial(invocations.give_out, keys, user=self._user, most=self._user_at_once)
        )
        next_ones = [one for one in next_ones if one.id in given]
        for one in next_ones:
            if not one.dispatched:
                self._deliveries.given(one.id, now)
        await asyncio.gather(*(self._give_out(one) for one in next_ones))

    def _tell(self, one: Seen) -> None:
        if one.id in self._ended:
            return
        now = (one.status, one.attempts, one.waits_for, one.fraction, one.note)
        before = self._told.get(one.id)
        if now == before:
            return
        self._told[one.id] = now
        if one.id in self._waiting and one.status != "waiting":
            self._waiting.discard(one.id)
            if one.edited or not one.ended:
                # As it was approved.
                self._telling.tell(ev.ToolReady(one.id, invocations.shown_arguments(one)))
            if one.status == "timed_out":
                self._waits(one)
        if one.ended:
            self._ended.add(one.id)
            self._telling.tell(ev.ToolFinished(one.id, one.status, one.result, one.duration_ms, one.files))
            self._watch.told_end(one)
            return
        if before is None or before[:3] != now[:3]:
            if one.status == "waiting":
                self._tell_waiting(one)
            elif one.status == "running":
                self._telling.tell(ev.ToolRunning(one.id, one.attempts))
        if one.fraction is not None and (before is None or before[3:] != now[3:]):
            self._telling.tell(ev.ToolProgress(one.id, one.fraction, one.note))

    def _tell_waiting(self, one: Seen) -> None:
        if one.id not in self._waiting:
            self._waiting.add(one.id)
            self._telling.tell(ev.ToolWaiting(one.id, one.waits_for))  # type: ignore[arg-type]  # a closed set
            self._waits(one)
