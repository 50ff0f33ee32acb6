"""Everything that lives as long as the process, built and tied together."""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.utils import timezone
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from chat.conf import DEMO_URL, CallLimits, Coalescing
from chat.demo import DemoServer
from chat.engine import rescue
from chat.engine.broadcast import Broadcast
from chat.engine.database import DatabaseThreads
from chat.engine.endings import say_ended
from chat.engine.figures import FigureWatch
from chat.engine.heartbeat import Heartbeat
from chat.engine.invocations import Seen
from chat.engine.neighbours import birth_of
from chat.engine.offers import Offers, remember_capability
from chat.engine.plan import RunPlan
from chat.engine.pressure import LoopPressure
from chat.engine.reaper import Reaper
from chat.engine.run import RunEngine
from chat.engine.saver import PartialSaver
from chat.engine.supervisor import Supervisor
from chat.engine.tool_watch import ToolWatch
from chat.engine.watchdog import watchdog
from chat.engine.wire_log import WireLog
from chat.events.run_events import RunFinished
from chat.exceptions import StorageUnavailable
from chat.llm.client import ModelClient
from chat.llm.dialects.registry import DIALECTS
from chat.llm.guard import CallTarget, Guard
from chat.llm.safeguards import Safeguards
from chat.resilience.deadline import Clockwork
from chat.telemetry.page import Telemetry
from chat.wiring import webhooks
from chat.wiring.backends import channel_layer, event_log, limits_backend
from chat.wiring.figures import bands, socket_limits, wire_log_rules
from chat.wiring.webhooks import tell_end

T = TypeVar("T")
logger = structlog.get_logger(__name__)

STEP_SECONDS = 0.7
END_SECONDS = 4.0
"""For all steps after the running answers have had their time: the end comes within 20 seconds, whatever hangs."""
LEAST_STEP_SECONDS = 0.05
TIDY_SECONDS = 30
REJOIN_SECONDS = 2.0
"""After Redis is back, the channel layer has its subscriptions again by then."""


class Runtime:
    """Everything that lives as long as the process, on one event loop. It is the `Office` that actions tell."""

    def __init__(
        self, node: UUID, database: DatabaseThreads, demo: DemoServer, *, send_tool: Callable[[Seen], None]
    ) -> None:
        """`send_tool` gives a tool invocation to a worker; it may take a moment, and may fail quietly."""
        self._send_tool = send_tool
        self._loop = asyncio.get_running_loop()
        self._clock = time.monotonic
        self._demo = demo
        self._chores: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[None]] = set()
        self.farewells: set[Callable[[str], Awaitable[None]]] = set()
        """Called with the reason when clients should go elsewhere: doors that tell them to come back."""
        self.telemetry = Telemetry(bands(), version=settings.VERSION)
        self.node = node
        self._birth = birth_of(os.getpid())
        self.database = database
        self.socket_limits = socket_limits()
        self.log = event_log(settings.REDIS_URL, node, self._clock, stale=self._lose)
        self.client = ModelClient()
        self.offers = Offers(self._clock, told=self._take_figures)
        self.clockwork = Clockwork(self._clock)
        backend, self._close_backend = limits_backend(settings.REDIS_URL, self._clock)
        self.safeguards = Safeguards(
            backend,
            client=self.client,
            clockwork=self.clockwork,
            clock=self._clock,
            wall_clock=time.time,
            sleep=asyncio.sleep,
            uniform=random.uniform,
            name=node.hex,
        )
        self.figure_watch = FigureWatch(self.safeguards, database, sleep=asyncio.sleep)
        self.pressure = LoopPressure(self._clock)
        self.saver = PartialSaver(database, each_seconds=settings.PARTIAL_SAVE_SECONDS)
        self.wire_log = WireLog(database, wire_log_rules(), chance=random.random, now=timezone.now)
        self.coalescing = Coalescing(settings.COALESCE_MS, settings.COALESCE_CHARACTERS)
        self.supervisor = Supervisor(
            build=self._engine,
            saver=self.saver,
            told_end=self._run_ended,
            told_lost=self._run_lost,
            claim_orphans=self._claim_orphans,
            give_up=self._give_up,
            meters=self.telemetry.runs,
        )
        self.reaper = Reaper(
            self.supervisor.rescue,
            lease_seconds=settings.LEASE_SECONDS,
            clock=self._clock,
            uniform=random.uniform,
        )
        self._tool_watch = ToolWatch(
            birth=self._birth,
            lease_seconds=settings.LEASE_SECONDS,
            believes_silence=lambda: self.reaper.believes_silence,
            told_end=lambda one: self.telemetry.runs.tool_ended(
                one.name if one.kind != "none" else "", one.status, one.duration_ms / 1000
            ),
        )
        self.broadcast = Broadcast(channel_layer(settings.REDIS_URL), name=node.hex, hinted=self._hinted)
        self.heartbeat = Heartbeat(
            node,
            each_seconds=settings.HEARTBEAT_SECONDS,
            # A hung loop loses its runs: two leases after it stopped turning.
            loop_turns=lambda: self.pressure.turned_within(settings.LEASE_SECONDS),
            alive=watchdog(),
        )

    def start(self) -> None:
        self.log.start()
        self.pressure.start()
        self.saver.start()
        self.wire_log.start()
        self.broadcast.start()
        self.reaper.start()
        self.heartbeat.start()
        self._was_delayed = False
        self.log.watch(self._log_changed)
        self._chores = [
            asyncio.create_task(self._tidy_for_ever(), name="tidying"),
            asyncio.create_task(self.figure_watch.run(), name="figures"),
        ]

    async def stop(self, grace_seconds: float) -> None:
        """Each step is tried whatever became of the one before; none may hold up the end for long.

        Where other processes show what is made here, clients are sent there at once; else they stay to see the end.
        """
        self.supervisor.draining = True
        await self.reaper.stop()
        if settings.REDIS_URL:
            await self._tried(self._say_farewell)
        await self.supervisor.drain(grace_seconds)
        for chore in self._chores:
            chore.cancel()
        until = self._clock() + END_SECONDS
        steps: list[Callable[[], Awaitable[object]]] = [
            self._say_farewell,
            self.supervisor.save,
            self.supervisor.break_off,
            self.supervisor.hand_over,
            self.broadcast.aclose,
            self.log.aclose,
            self.saver.stop,
            self.wire_log.stop,
            self.safeguards.aclose,
            self._close_backend,
            self.client.aclose,
            self._demo.close,
            lambda: asyncio.to_thread(self.heartbeat.stop),
            lambda: asyncio.to_thread(self.database.close),
        ]
        for step in steps:
            await self._tried(step, max(LEAST_STEP_SECONDS, min(STEP_SECONDS, until - self._clock())))
        self.pressure.stop()

    async def _tried(self, step: Callable[[], Awaitable[object]], seconds: float = STEP_SECONDS) -> None:
        try:
            await asyncio.wait_for(step(), timeout=seconds)
        except Exception as error:  # noqa: BLE001  (a database that is away must not keep the process alive)
            logger.warning("not ended cleanly", step=getattr(step, "__qualname__", ""), reason=repr(error))

    async def _say_farewell(self) -> None:
        await asyncio.gather(*(say("restart") for say in self.farewells), return_exceptions=True)

    async def _tidy_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            self.log.forget_old()

    # --- Office: from any thread ----------------------------------------------------------------------

    def launch(self, plan: RunPlan) -> None:
        self._loop.call_soon_threadsafe(self.supervisor.launch, plan)

    def stop_run(self, run: UUID, asked_at: datetime) -> None:
        self._loop.call_soon_threadsafe(self._stop_wherever, str(run), asked_at)

    def woken(self, run: UUID) -> None:
        self._loop.call_soon_threadsafe(self._tell_free)

    def announce(self, user: UUID, name: str, fields: dict[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self.broadcast.notify, user, {"name": name, **fields})

    def tell_invocations(self, keys: Collection[UUID]) -> None:
        webhooks.tell_invocations(keys)

    def ask(self, question: Coroutine[Any, Any, T], *, within_seconds: float) -> T:
        """Waits for what the loop answers; never to be called on the loop itself.

        Raises:
            TimeoutError: the loop is too busy, or what it asks does not answer.
        """
        asked = asyncio.run_coroutine_threadsafe(question, self._loop)
        try:
            return asked.result(within_seconds)
        finally:
            asked.cancel()

    # --- parts of the machine -------------------------------------------------------------------------

    def _engine(self, plan: RunPlan) -> RunEngine:
        return RunEngine(
            plan,
            guard_for=self._guard,
            log=self.log,
            database=self.database,
            give_out=self._give_out_tool,
            waits=self._tool_waits,
            watch=self._tool_watch,
            new_id=lambda: str(uuid7()),
            pressure=self.pressure,
            coalescing=self.coalescing,
            tell_end=tell_end,
            tell_invocations=self.tell_invocations,
            meters=self.telemetry.runs,
            clock=self._clock,
            now=timezone.now,
        )

    def _guard(self, plan: RunPlan) -> Guard:
        endpoint = plan.endpoint
        if endpoint.base_url == DEMO_URL:
            endpoint = replace(endpoint, base_url=self._demo.base_url_for(plan.dialect))
        target = CallTarget(
            user=str(plan.user),
            provider=str(plan.provider_key),
            model=str(plan.model_key),
            dialect=DIALECTS[plan.dialect],
            endpoint=endpoint,
            api_key=plan.api_key,
            deadlines=plan.deadlines,
            limits=plan.limits,
        )

        def remember(capability: str) -> None:
            self._spawn(self._remember(plan.model_key, capability))

        tape_for = partial(self.wire_log.tape_for, plan)
        return Guard(self.safeguards, target, remember=remember, tape_for=tape_for)

    def _take_figures(self, provider: UUID, limits: CallLimits) -> None:
        self._loop.call_soon_threadsafe(self.safeguards.take_figures, str(provider), limits)

    async def _remember(self, model: UUID, capability: str) -> None:
        try:
            await self.database(remember_capability, model, capability)
        except StorageUnavailable:
            return  # the next refusal says it again
        self.offers.forget(model)

    # --- runs here and elsewhere ------------------------------------------------------------------------

    async def _claim_orphans(self, made_here: Collection[str], *, by_silence: bool) -> rescue.Rescued:
        claim = partial(
            rescue.claim_orphans,
            self.node,
            birth=self._birth,
            lease_seconds=settings.LEASE_SECONDS,
            by_silence=by_silence,
            made_here=made_here,
            tell_end=tell_end,
            tell_invocations=self.tell_invocations,
        )
        return await self.database(claim)

    async def _give_up(self) -> None:
        if await self.database(rescue.give_up, self.node):
            self.broadcast.hint("runs.free")

    def _tell_free(self) -> None:
        """We take it up ourselves: if all were asked at once, most would only find that somebody else was first. If we
        die before, they find it with their next look."""
        if self.supervisor.draining:
            self.broadcast.hint("runs.free")
        else:
            self.reaper.hurry()

    def _stop_wherever(self, run: str, asked_at: datetime) -> None:
        if not self.supervisor.stop(run, asked_at):
            self.broadcast.hint("run.stop", run=run, asked_at=asked_at.isoformat())

    def _hinted(self, name: str, fields: dict[str, Any]) -> None:
        """By another process; of a newer version too, whose hints we may not know."""
        if name == "run.stop":
            self.supervisor.stop(fields["run"], datetime.fromisoformat(fields["asked_at"]))
        elif name == "runs.free":
            self.reaper.hurry()
        elif name == "tool.changed":
            self.supervisor.tool_news(fields["run"])

    async def _give_out_tool(self, invocation: Seen) -> None:
        if invocation.kind in ("local", "webhook"):
            await asyncio.to_thread(self._send_tool, invocation)

    def _tool_waits(self, plan: RunPlan, invocation: Seen) -> None:
        fields = {"invocation": invocation.id, "run": plan.run, "conversation": str(plan.conversation)}
        if invocation.status == "waiting":
            news = {"name": "invocation.waiting", "tool": invocation.name, "for": invocation.waits_for}
        else:
            news = {"name": "invocation.decided", "decision": invocation.status}
        self.broadcast.notify(plan.user, news | fields)

    def tool_changed(self, run: str) -> None:
        """From any thread: the row of one of its invocations has changed."""
        self._loop.call_soon_threadsafe(self._tool_changed, run)

    def _tool_changed(self, run: str) -> None:
        if not self.supervisor.tool_news(run):
            self.broadcast.hint("tool.changed", run=run)

    def _lose(self, run: str, epoch: int) -> None:
        """The log has seen a newer epoch."""
        self.supervisor.abandon(run, epoch)

    async def _run_ended(self, plan: RunPlan, finished: RunFinished) -> None:
        say_ended(plan, finished, self.telemetry.runs)
        self._tell_end(plan.user, plan.run, str(plan.conversation), plan.message, finished.status)

    async def _run_lost(self, lost: rescue.Lost) -> None:
        self._tell_end(lost.user, str(lost.run), str(lost.conversation), str(lost.message), "failed")

    def _tell_end(self, user: UUID, run: str, conversation: str, message: str, status: str) -> None:
        fields = {"run": run, "conversation": conversation, "message": message, "status": status}
        self.broadcast.notify(user, {"name": "run.ended", **fields})

    def _log_changed(self) -> None:
        """What tabs were not told while Redis was away they have to ask for."""
        was, self._was_delayed = self._was_delayed, self.log.delayed
        if was and not self._was_delayed:
            self._loop.call_later(REJOIN_SECONDS, self.broadcast.notify_here, {"name": "notices.missed"})

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
