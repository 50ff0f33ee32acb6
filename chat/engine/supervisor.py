"""Starts runs, stops them, takes up those that nobody makes, and hands its own over when the process ends."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog

from chat.engine.plan import RunPlan
from chat.engine.rescue import Lost, Rescued
from chat.engine.run import RunEngine
from chat.engine.saver import PartialSaver
from chat.events.run_events import RunFinished
from chat.exceptions import Draining, StaleEpoch, StorageUnavailable
from chat.telemetry import lines
from chat.telemetry.runs import RunMeters

logger = structlog.get_logger(__name__)


class ClaimOrphans(Protocol):
    async def __call__(self, made_here: Collection[str], *, by_silence: bool) -> Rescued:
        """Claims runs that nobody makes, and plans them (`rescue.claim_orphans`)."""


class Supervisor:
    """Belongs to the event loop.

    `build` makes an engine, `told_end` and `told_lost` hear of every end, `give_up` frees all of the node's runs.
    """

    def __init__(
        self,
        *,
        build: Callable[[RunPlan], RunEngine],
        saver: PartialSaver,
        told_end: Callable[[RunPlan, RunFinished], Awaitable[None]],
        told_lost: Callable[[Lost], Awaitable[None]],
        claim_orphans: ClaimOrphans,
        give_up: Callable[[], Awaitable[None]],
        meters: RunMeters,
    ) -> None:
        self._build = build
        self._saver = saver
        self._told_end = told_end
        self._told_lost = told_lost
        self._claim_orphans = claim_orphans
        self._give_up = give_up
        self._meters = meters
        self._engines: dict[str, RunEngine] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.draining = False

    def __len__(self) -> int:
        return len(self._tasks)

    def check_open(self) -> None:
        """
        Raises:
            Draining: no new runs are taken.
        """
        if self.draining:
            raise Draining(retry_after_seconds=1)

    def launch(self, plan: RunPlan) -> None:
        """Begins at once: when this returns, the run can be followed."""
        # All that is logged on the way says which run it is about, and nothing of who happened to ask for it.
        lines.apart(self._launch, plan)

    def _launch(self, plan: RunPlan) -> None:
        lines.about(run=plan.run, conversation=str(plan.conversation), epoch=plan.epoch)
        engine = self._build(plan)
        try:
            engine.begin()
        except StaleEpoch:
            logger.info("run is not ours any more", run=plan.run, epoch=plan.epoch)
            return
        self._meters.begun(taken_over=plan.rescued is not None)
        logger.debug("run begins", model=plan.model_name, taken_over=plan.rescued is not None)
        self._engines[plan.run] = engine
        self._saver.watch(plan.run, engine)
        self._tasks[plan.run] = asyncio.create_task(self._make(engine), name=f"run {plan.run}")

    def stop(self, run: str, asked_at: datetime, *, user: UUID | None = None) -> bool:
        """False: the run is not made here, or not for this user."""
        engine = self._engines.get(run)
        if engine is None or (user is not None and engine.plan.user != user):
            return False
        engine.stop(asked_at)
        return True

    def tool_news(self, run: str) -> bool:
        """False: the run is not made here."""
        engine = self._engines.get(run)
        if engine is not None:
            engine.tool_news()
        return engine is not None

    def abandon(self, run: str, epoch: int) -> None:
        """A newer epoch has been seen: ours is not written any more."""
        engine = self._engines.get(run)
        if engine is not None and engine.epoch == epoch:
            engine.abandon()

    async def rescue(self, *, by_silence: bool = True) -> int:
        """Takes over what nobody makes: one pass of the reaper (`reaper.TakeOver`)."""
        if self.draining:
            return 0
        rescued = await self._claim_orphans(frozenset(self._engines), by_silence=by_silence)
        if self._ends():
            # Claimed while the process was told to end: `hand_over` gives up whatever is the node's.
            return 0
        for plan in rescued.plans:
            logger.info("run taken over", run=plan.run, epoch=plan.epoch)
            try:
                self.launch(plan)
            except Exception:  # the other ones shall not wait for this one
                logger.exception("run could not be launched", run=plan.run)
        for lost in rescued.lost:
            self._meters.lost()
            await self._told_lost(lost)
        return len(rescued.plans)

    def _ends(self) -> bool:
        return self.draining

    async def drain(self, grace_seconds: float) -> None:
        """No new runs; the running ones get `grace_seconds`."""
        self.draining = True
        if self._tasks and grace_seconds > 0:
            await asyncio.wait(set(self._tasks.values()), timeout=grace_seconds)

    async def save(self) -> None:
        """What still runs, as far as it has come: the next one goes on from there."""
        if self._tasks:
            await self._saver.save()

    async def break_off(self) -> None:
        """Nothing is made here any more, whether it could be saved or not: others will make it."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks:
            logger.info("runs handed over", runs=len(tasks))
            self._meters.left("handed_over", len(tasks))

    async def hand_over(self) -> None:
        """What was made here, or was just claimed, is free to be claimed elsewhere at once."""
        await self._give_up()

    async def _make(self, engine: RunEngine) -> None:
        run = engine.plan.run
        try:
            finished = await engine.make()
            if finished is not None:
                await self._told_end(engine.plan, finished)
            else:
                self._meters.left("parked" if engine.parked else "abandoned")
        except StorageUnavailable:
            self._meters.left("broken_off")
            logger.error("end of a run not stored; it is taken up again", run=run)  # noqa: TRY400
        except Exception:
            self._meters.left("broken_off")
            logger.exception("run broken off; it is taken up again", run=run)
        finally:
            self._saver.forget(run, engine)
            # A run that was taken over and came back has a new engine under the same name.
            if self._engines.get(run) is engine:
                del self._engines[run], self._tasks[run]
