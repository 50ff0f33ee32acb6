"""How a worker process ends: within a bound, and with nothing in its pocket.

Celery waits for the tasks under way, however long they take. Here they get `grace_seconds`; a second signal ends all at
once. What was not finished goes back into its queue, where otherwise it would be missed for the whole visibility
timeout.
"""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import billiard
import structlog
from celery import signals

log = structlog.get_logger(__name__)

TIDY_SECONDS: Final = 4.0
"""For giving tasks back, which takes up to a second, and saying good-bye; Redis or the database may be away."""


class Ending:
    """Made on the main thread, before signals may come."""

    def __init__(self, worker: Any, *, grace_seconds: float, farewell: Callable[[], None]) -> None:
        self._worker = worker
        self._grace_seconds = grace_seconds
        self._farewell = farewell
        self._leaving = threading.Lock()
        signals.worker_shutting_down.connect(self._asked, sender=worker.hostname, weak=False)

    def _asked(self, **_: Any) -> None:
        """Called by Celery's handler of the first signal, after which it lets its tasks end."""
        for again in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(again, lambda *_: self._leave(1))
        timer = threading.Timer(self._grace_seconds, self._leave, [0])
        timer.daemon = True
        timer.start()

    def _leave(self, code: int) -> None:
        if not self._leaving.acquire(blocking=False):
            return
        # The main thread may hold any lock just now, so somebody else tidies up, and is not waited for for long.
        tidying = threading.Thread(target=self._tidy, name="ending", daemon=True)
        tidying.start()
        tidying.join(TIDY_SECONDS)
        os._exit(code)

    def _tidy(self) -> None:
        for child in billiard.active_children():
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)  # type: ignore[arg-type]  # it was started
        try:
            self._give_back()
        except Exception as error:  # noqa: BLE001  (they come back by themselves, only later)
            log.warning("unfinished tasks not given back", reason=str(error))
        self._farewell()

    def _give_back(self) -> None:
        consumer = self._worker.consumer.task_consumer
        if consumer is None:
            return
        channel = consumer.channel
        try:
            # Hears the end of its last question first. Whoever leaves with one open takes along what Redis answers,
            # which would be the very task that was given back.
            channel.close()
        finally:
            channel.qos.restore_unacked_once()
