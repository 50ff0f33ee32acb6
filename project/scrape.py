"""What a scrape of /metrics finds out: from this process at once, from all else within a second or not at all."""

import asyncio
from collections.abc import Mapping
from typing import Final

from django.conf import settings
from django.db import connections

from chat import wiring
from chat.engine.census import take_census
from chat.resilience.backends.base import BackendUnavailable
from chat.telemetry.page import Telemetry
from chat.telemetry.state import Process, Sockets, State, Stored
from chat.websocket.consumers import sockets
from chat.wiring import Runtime
from chat.wiring.figures import bands
from project import queues
from project.asking import Question

PATIENCE_SECONDS: Final = 0.8
FRESH_SECONDS: Final = 5.0
"""Several that scrape, or one that does so often, ask the database and the broker no more often than this."""


class Scrape:
    """Remembers what was asked a moment ago."""

    def __init__(
        self, *, patience_seconds: float = PATIENCE_SECONDS, fresh_seconds: float = FRESH_SECONDS
    ) -> None:
        self._patience_seconds = patience_seconds
        self._stored: Question[Stored] = Question(
            "database, for metrics", _census, patience_seconds=patience_seconds, fresh_seconds=fresh_seconds
        )
        self._queues: Question[dict[str, int]] = Question(
            "broker, for metrics",
            queues.queue_depths,
            patience_seconds=patience_seconds,
            fresh_seconds=fresh_seconds,
        )
        self._providers: Mapping[str, str] = {}
        self._unstarted: Telemetry | None = None

    async def page(self, accept: str) -> tuple[bytes, str]:
        """The text, and its content type."""
        runtime = wiring.running()
        stored, queues, breakers = await asyncio.gather(
            self._stored.answer(), self._queues.answer(), self._breakers(runtime)
        )
        if stored is not None:
            self._providers = stored.providers
        state = State(
            process=None if runtime is None else process_state(runtime),
            stored=stored,
            queues=queues,
            breakers=None if breakers is None else self._by_name(breakers),
        )
        # On a thread: a few milliseconds of work, which running answers would feel.
        return await asyncio.to_thread(self._telemetry(runtime).page, state, accept)

    async def _breakers(self, runtime: Runtime | None) -> dict[str, str] | None:
        """State by key; one that is missing is closed."""
        if runtime is None:
            return None
        try:
            async with asyncio.timeout(self._patience_seconds):
                views = await runtime.safeguards.breakers.views()
        except (BackendUnavailable, TimeoutError):
            return None
        return {key: view.state for key, view in views.items()}

    def _by_name(self, breakers: Mapping[str, str]) -> dict[str, str]:
        return {name: breakers.get(f"provider:{key}", "closed") for key, name in self._providers.items()}

    def _telemetry(self, runtime: Runtime | None) -> Telemetry:
        if runtime is not None:
            return runtime.telemetry
        if self._unstarted is None:
            self._unstarted = Telemetry(bands(), version=settings.VERSION)
        return self._unstarted


def process_state(runtime: Runtime) -> Process:
    """On the event loop: some microseconds for each open socket."""
    runs, events = runtime.log.unwritten()
    lags = sockets.lags()
    return Process(
        runs_here=len(runtime.supervisor),
        draining=runtime.supervisor.draining,
        loop_lag_seconds=runtime.pressure.lag_seconds,
        events_told=runtime.log.told,
        event_bytes_told=runtime.log.told_bytes,
        database_busy=runtime.database.busy,
        database_waiting=runtime.database.waiting,
        log_delayed=runtime.log.delayed,
        runs_unwritten=runs,
        events_unwritten=events,
        heartbeats_missed=runtime.heartbeat.missed,
        sockets=Sockets(
            backlog=[backlog for backlog, _ in lags],
            blocked_seconds=[seconds for _, seconds in lags],
            closed=dict(sockets.closed),
        ),
    )


def _census() -> Stored:
    try:
        return take_census(settings.LEASE_SECONDS)
    finally:
        connections.close_all()
