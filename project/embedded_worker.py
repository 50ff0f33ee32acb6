"""A Celery worker and its clock on threads of the web process, for the in-memory broker."""

import os
import threading
from typing import Any

import structlog
from celery import Celery
from celery.app import trace
from celery.beat import Scheduler, Service
from celery.worker import WorkController, state

from project import transport
from project.daemon_pool import TaskPool

log = structlog.get_logger(__name__)

HOSTNAME = "embedded"


class WorkerNotReady(RuntimeError):
    """The embedded worker did not come up in time."""


class EmbeddedWorker:
    """Runs the tasks of `app`, and its `beat_schedule`, until `stop()`. One at a time in a process.

    `WorkController` is the bare worker: unlike `celery worker` it takes neither `print` nor the root logger, and
    installs no signal handlers.
    """

    def __init__(self, app: Celery, *, threads: int = 8) -> None:
        self._app = app
        self._threads = threads
        self._ready = threading.Event()
        self._worker: threading.Thread | None = None
        self._clock: Service | None = None
        self._failure: Exception | None = None

    def start(self, *, timeout_seconds: float = 10.0) -> None:
        """Returns once tasks are taken; raises `WorkerNotReady` otherwise."""
        # The launcher has run Django's checks already.
        os.environ.setdefault("CELERY_SKIP_CHECKS", "true")
        transport.resume()
        state.should_stop = None
        self._ready.clear()
        self._failure = None
        # Nobody can send remote-control commands to a broker inside this process.
        self._app.conf.worker_enable_remote_control = False
        self._worker = threading.Thread(target=self._work, name="celery-worker", daemon=True)
        self._worker.start()
        if not self._ready.wait(timeout_seconds) or self._failure is not None:
            raise WorkerNotReady("The embedded Celery worker did not start.") from self._failure
        if self._app.conf.beat_schedule:
            self._start_clock()

    def stop(self, *, timeout_seconds: float = 1.0) -> bool:
        """Takes no more tasks; True if the worker ended in time. Running tasks are not waited for."""
        if self._clock is not None:
            # Not waited for: it may sleep for minutes until the next entry is due, on a daemon thread.
            self._clock.stop(wait=False)
            self._clock = None
        if self._worker is None:
            return True
        state.should_stop = 0  # type: ignore[assignment]  # an exit code, unknown to the stubs
        transport.interrupt()
        self._worker.join(timeout_seconds)
        ended = not self._worker.is_alive()
        if not ended:
            log.warning("embedded worker still busy, leaving it behind")
        self._worker = None
        return ended

    def _work(self) -> None:
        try:
            # Threads other than the one that made the application do not know it; and this is the faster way.
            trace.setup_worker_optimizations(self._app, HOSTNAME)
            self._build().start()
        except Exception as error:
            log.exception("embedded worker ended")
            self._failure = error
            self._ready.set()

    def _build(self) -> WorkController:
        return WorkController(
            app=self._app,
            pool=TaskPool,
            concurrency=self._threads,
            hostname=HOSTNAME,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            ready_callback=self._say_ready,
        )

    def _say_ready(self, _consumer: Any) -> None:
        self._ready.set()

    def _start_clock(self) -> None:
        # `celery.beat.EmbeddedService` forks a process. The plain scheduler keeps its state in memory: an interval
        # counts from this start, so entries must be such that an early or a missed run does no harm.
        clock = Service(self._app, scheduler_cls=Scheduler)
        self._clock = clock
        threading.Thread(target=clock.start, name="celery-beat", daemon=True).start()
