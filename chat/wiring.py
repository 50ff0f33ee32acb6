"""The composition root: the one place that builds what works together, with the figures of the settings."""

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog
from channels.layers import get_channel_layer
from django.conf import settings
from django.utils import timezone
from msgspec.structs import replace

from chat.conf import DEMO_URL, Bands, CallLimits, Coalescing, LogLimits, SocketLimits
from chat.demo import DemoServer, start_demo_upstream
from chat.engine import rescue
from chat.engine.database import DatabaseThreads
from chat.engine.endings import say_ended
from chat.engine.figures import FigureWatch
from chat.engine.heartbeat import Heartbeat, register
from chat.engine.offers import Offers, remember_capability
from chat.engine.plan import RunPlan
from chat.engine.pressure import LoopPressure
from chat.engine.run import RunEngine
from chat.engine.saver import PartialSaver
from chat.engine.supervisor import Supervisor
from chat.engine.wire_log import WireLog, WireLogRules
from chat.events.backends.base import EventLog
from chat.events.backends.memory import MemoryEventLog
from chat.events.run_events import RunFinished
from chat.exceptions import StorageUnavailable
from chat.llm.client import ModelClient
from chat.llm.dialects.registry import DIALECTS
from chat.llm.guard import CallTarget, Guard
from chat.llm.safeguards import Safeguards
from chat.models import Node
from chat.resilience.backends.base import Backend
from chat.resilience.backends.fallback import FallbackBackend
from chat.resilience.backends.memory import MemoryBackend
from chat.resilience.deadline import Clockwork
from chat.telemetry import lines
from chat.telemetry.page import Telemetry

T = TypeVar("T")
logger = structlog.get_logger(__name__)

STEP_SECONDS = 0.7
TIDY_SECONDS = 30


def user_group(user: UUID) -> str:
    """The channel layer's group of all sockets of a user."""
    return f"user.{user.hex}"


class Runtime:
    """Everything that lives as long as the process, on one event loop. It is the `Office` that actions tell."""

    def __init__(self, node: UUID, database: DatabaseThreads, demo: DemoServer) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = time.monotonic
        self._demo = demo
        self._chores: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[None]] = set()
        self.farewells: set[Callable[[str], Awaitable[None]]] = set()
        """Called with the reason once the runs are taken care of: doors that tell their clients to come back."""
        self.telemetry = Telemetry(bands(), version=settings.VERSION)
        self.node = node
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
            claim_orphans=lambda made: database(rescue.claim_orphans, node, settings.LEASE_SECONDS, made),
            give_up=lambda runs: database(rescue.give_up, node, runs),
            lease_seconds=settings.LEASE_SECONDS,
            meters=self.telemetry.runs,
        )
        self.heartbeat = Heartbeat(node, each_seconds=settings.HEARTBEAT_SECONDS, loop_turns=self._loop_turns)

    def start(self) -> None:
        self.log.start()
        self.pressure.start()
        self.saver.start()
        self.wire_log.start()
        self.supervisor.start()
        self.heartbeat.start()
        self._chores = [
            asyncio.create_task(self._tidy_for_ever(), name="tidying"),
            asyncio.create_task(self.figure_watch.run(), name="figures"),
        ]

    async def stop(self, grace_seconds: float) -> None:
        """Each step is tried whatever became of the one before; none may hold up the end for long."""
        await self.supervisor.drain(grace_seconds)
        for chore in self._chores:
            chore.cancel()
        self.pressure.stop()
        steps: list[Callable[[], Awaitable[object]]] = [
            self._say_farewell,
            self.supervisor.hand_over,
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
            try:
                await asyncio.wait_for(step(), timeout=STEP_SECONDS)
            except Exception as error:  # noqa: BLE001  (a database that is away must not keep the process alive)
                logger.warning(
                    "not ended cleanly", step=getattr(step, "__qualname__", ""), reason=repr(error)
                )

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
        self._loop.call_soon_threadsafe(self.supervisor.stop, str(run), asked_at)

    def announce(self, user: UUID, name: str, fields: dict[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self._spawn, self._send_notice(user, {"name": name, **fields}))

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
            pressure=self.pressure,
            coalescing=self.coalescing,
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

    async def _run_ended(self, plan: RunPlan, finished: RunFinished) -> None:
        say_ended(plan, finished, self.telemetry.runs)
        await self._send_notice(
            plan.user,
            {
                "name": "run.ended",
                "run": plan.run,
                "conversation": str(plan.conversation),
                "message": plan.message,
                "status": finished.status,
            },
        )

    def _lose(self, run: str, epoch: int) -> None:
        """The log has seen a newer epoch."""
        self.supervisor.abandon(run, epoch)

    async def _run_lost(self, lost: rescue.Lost) -> None:
        await self._send_notice(
            lost.user,
            {
                "name": "run.ended",
                "run": str(lost.run),
                "conversation": str(lost.conversation),
                "message": str(lost.message),
                "status": "failed",
            },
        )

    async def _send_notice(self, user: UUID, notice: dict[str, Any]) -> None:
        # A notice is a courtesy: a channel layer that is away costs a dot in a sidebar, nothing else.
        with suppress(ConnectionError, OSError):
            await get_channel_layer().group_send(user_group(user), {"type": "user.notice", "notice": notice})

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _loop_turns(self) -> bool:
        """Asked by the heartbeat's thread: a busy loop answers within the lease, a hung one does not."""
        turned = threading.Event()
        self._loop.call_soon_threadsafe(turned.set)
        return turned.wait(settings.LEASE_SECONDS)


def socket_limits() -> SocketLimits:
    return SocketLimits(
        sockets_per_user=settings.SOCKETS_PER_USER,
        commands_per_minute=settings.COMMANDS_PER_MINUTE,
        frames_per_minute=settings.FRAMES_PER_MINUTE,
        credit_events=settings.CREDIT_EVENTS,
        credit_bytes=settings.CREDIT_BYTES,
        ack_seconds=settings.ACK_SECONDS,
        silence_seconds=settings.SILENCE_SECONDS,
    )


def bands() -> Bands:
    return Bands(
        first_token_seconds=settings.BANDS_FIRST_TOKEN_SECONDS,
        tokens_per_second=settings.BANDS_TOKENS_PER_SECOND,
        short_answer_seconds=settings.BANDS_SHORT_ANSWER_SECONDS,
        short_answer_tokens=settings.SHORT_ANSWER_TOKENS,
        stop_seconds=settings.BANDS_STOP_SECONDS,
    )


def wire_log_rules() -> WireLogRules:
    return WireLogRules(
        kept=settings.WIRE_LOG, sample=settings.WIRE_LOG_SAMPLE, most_bytes=settings.WIRE_LOG_BYTES
    )


def event_log(
    redis_url: str, node: UUID, clock: Callable[[], float], *, stale: Callable[[str, int], None]
) -> EventLog:
    """The log of this process alone, or one that all processes read."""
    limits = LogLimits(keep_seconds=settings.EVENT_LOG_SECONDS, run_bytes=settings.EVENT_LOG_BYTES)
    local = MemoryEventLog(limits, clock)
    if not redis_url:
        return local
    # Only where it is configured: importing it takes a tenth of a second.
    from chat.events.backends.redis import RedisEventLog

    return RedisEventLog(redis_url, local, name=node.hex, clock=clock, stale=stale)


def limits_backend(
    redis_url: str, clock: Callable[[], float]
) -> tuple[Backend, Callable[[], Awaitable[object]]]:
    """What breakers, buckets and places are kept in, and how to close it: this process's memory, or a Redis that
    all processes share."""
    near = MemoryBackend(clock)
    if not redis_url:
        return near, _nothing_to_close
    # Only where it is wanted: importing it costs memory and a tenth of a second.
    from chat.resilience.backends.redis import RedisBackend, connect

    client = connect(redis_url)
    backend = FallbackBackend(RedisBackend(client), near, clock=clock)

    async def close() -> None:
        await backend.aclose()
        await client.aclose()

    return backend, close


async def _nothing_to_close() -> None:
    pass


_runtime: Runtime | None = None
_starting: asyncio.Lock | None = None


def runtime() -> Runtime:
    """The running process's parts. `startup` must have been called on its event loop."""
    if _runtime is None:
        raise RuntimeError("chat.wiring.startup() has not been called")
    return _runtime


def running() -> Runtime | None:
    """None in a process that makes no runs: a management command, or a server before its first visitor."""
    return _runtime


async def startup() -> Runtime:
    """Builds and starts everything on the running loop; a second call returns what runs."""
    global _runtime, _starting
    _starting = _starting or asyncio.Lock()
    async with _starting:
        if _runtime is None:
            database = DatabaseThreads(settings.DATABASE_THREADS)
            node = await database(register, Node.Kind.WEB)
            _runtime = Runtime(node, database, await start_demo_upstream())
            # What it begins lives on: its lines are not about the request that may have come first.
            lines.apart(_runtime.start)
    return _runtime


async def shutdown(grace_seconds: float) -> None:
    """Ends or hands over the runs, then stops everything `startup` has started."""
    global _runtime, _starting
    if _runtime is not None:
        await _runtime.stop(grace_seconds)
    _runtime, _starting = None, None
