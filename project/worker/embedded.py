"""A Celery worker and its clock on threads of the web process: for one process alone, or beside others over Redis."""

import os
import threading
from typing import Any, Final

import structlog
from celery import Celery
from celery.app import trace
from celery.beat import Scheduler, Service
from celery.utils.nodenames import default_nodename
from celery.worker import WorkController, state
from kombu.asynchronous import set_event_loop

from project import transport
from project.broker import IN_MEMORY
from project.worker import database
from project.worker.daemon_pool import TaskPool

log = structlog.get_logger(__name__)

AGAIN_SECONDS: Final = 5.0
"""Before a worker or clock that ended by itself is started anew."""


class WorkerNotReady(RuntimeError):
    """The embedded worker did not come up in time."""


class EmbeddedWorker:
    """Runs the tasks of `app`, and its `beat_schedule`, until `stop()`. One at a time in a process.

    `WorkController` is the bare worker: unlike `celery worker` it takes neither `print` nor the root logger, and
    installs no signal handlers. It is no node of its own: the web process is one.
    """

    def __init__(self, app: Celery, *, threads: int = 8) -> None:
        self._app = app
        self._threads = threads
        self._in_memory = app.conf.broker_url == IN_MEMORY
        self._ready = threading.Event()
        self._told_to_stop = threading.Event()
        self._worker: threading.Thread | None = None
        self._controller: WorkController | None = None
        self._clock: Service | None = None
        self._failure: Exception | None = None

    def start(self, *, timeout_seconds: float = 10.0) -> None:
        """Returns once tasks are taken; raises `WorkerNotReady` otherwise. Nobody waits for Redis: it may be away."""
        # The launcher has run Django's checks already.
        os.environ.setdefault("CELERY_SKIP_CHECKS", "true")
        transport.resume()
        state.should_stop = None
        self._ready.clear()
        self._told_to_stop.clear()
        self._failure = None
        # Nobody can send remote-control commands to a broker inside this process, and a site is stopped otherwise.
        self._app.conf.worker_enable_remote_control = False
        self._worker = threading.Thread(target=self._work, name="celery-worker", daemon=True)
        self._worker.start()
        if self._in_memory and (not self._ready.wait(timeout_seconds) or self._failure is not None):
            raise WorkerNotReady("The embedded Celery worker did not start.") from self._failure
        if self._app.conf.beat_schedule:
            # `celery.beat.EmbeddedService` forks a process. The plain scheduler keeps its state in memory: an interval
            # counts from this start (project/schedule.py says what that asks of the entries).
            threading.Thread(target=self._tick, name="celery-beat", daemon=True).start()

    def stop(self, *, timeout_seconds: float = 1.0) -> bool:
        """Takes no more tasks; True if the worker ended in time. Running tasks are not waited for."""
        self._told_to_stop.set()
        if self._clock is not None:
            # Not waited for: it may sleep for minutes until the next entry is due, on a daemon thread.
            self._clock.stop(wait=False)
            self._clock = None
        if self._worker is None:
            return True
        state.should_stop = 0  # type: ignore[assignment]  # an exit code, unknown to the stubs
        transport.interrupt()
        self._wake()
        self._worker.join(timeout_seconds)
        ended = not self._worker.is_alive()
        if not ended:
            log.warning("embedded worker still busy, leaving it behind")
        self._worker = None
        return ended

    def _wake(self) -> None:
        """Over Redis it may be waiting for an answer, for up to a second."""
        hub = getattr(self._controller, "hub", None)
        if hub is not None:
            hub.call_soon(lambda: None)

    def _work(self) -> None:
        while True:
            try:
                # Threads other than the one that made the application do not know it; and this is the faster way.
                trace.setup_worker_optimizations(self._app, default_nodename("embedded"))
                self._controller = self._build()
                self._controller.start()
            except Exception as error:
                log.exception("embedded worker ended")
                self._failure = error
                self._ready.set()
            if self._in_memory or self._told_to_stop.wait(AGAIN_SECONDS):
                return
            log.error("embedded worker ended by itself, starting it anew")

    def _build(self) -> WorkController:
        # The event loop of an earlier worker is closed.
        set_event_loop(None)
        database.prepare(pooled=True)
        return WorkController(
            app=self._app,
            pool=TaskPool,
            concurrency=self._threads,
            hostname=default_nodename("embedded"),
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            ready_callback=self._say_ready,
        )

    def _say_ready(self, _consumer: Any) -> None:
        # Before anybody goes on: a start that fails for another reason shall end with that one.
        log.info("embedded worker takes tasks", broker="memory" if self._in_memory else "redis")
        self._ready.set()

    def _tick(self) -> None:
        while not self._told_to_stop.is_set():
            try:
                self._clock = Service(self._app, scheduler_cls=Scheduler)
                self._clock.start()
            except Exception:
                log.exception("embedded clock ended")
            self._told_to_stop.wait(AGAIN_SECONDS)
