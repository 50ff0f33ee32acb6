"""A Celery pool whose threads do not hold the process back.

`concurrent.futures` joins its threads before the interpreter exits, so one busy tool would delay Ctrl+C to its own
end. What a dying thread had not finished is in the database, and the reaper gives it out again.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

import structlog
from celery.concurrency.base import BasePool, apply_target

log = structlog.get_logger(__name__)

Job = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...]]


class DaemonThreads:
    """A fixed number of daemon threads that take jobs from one queue. The caller bounds what it submits."""

    def __init__(self, count: int, name: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(1, count + 1)
        ]
        for thread in self._threads:
            thread.start()

    def __len__(self) -> int:
        return len(self._threads)

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self._jobs.put((future, function, args))
        return future

    def shut_down(self) -> None:
        """Lets each thread end after the job it has. Waits for none."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, function, args = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function(*args)
            except BaseException as error:
                # Celery asks no future for its exception, and its own failures would go unseen.
                log.exception("a task could not be run")
                future.set_exception(error)
            else:
                future.set_result(result)


class Applied:
    """What Celery expects of a submitted task."""

    def __init__(self, future: "Future[Any]") -> None:
        self.get = future.result


class TaskPool(BasePool):
    """Runs tasks on daemon threads. Revoking and time limits are cooperative, as on Celery's own threads pool."""

    body_can_be_buffer = True
    signal_safe = False
    limit: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.threads = DaemonThreads(self.limit, "task")

    def on_stop(self) -> None:
        self.threads.shut_down()

    def on_apply(  # type: ignore[override]  # the stubs know it by *args alone
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **_: Any,
    ) -> Applied:
        return Applied(self.threads.submit(apply_target, target, args, kwargs, callback, accept_callback))

    def _get_info(self) -> dict[str, Any]:
        return {
            **super()._get_info(),  # type: ignore[misc]  # missing in the stubs
            "max-concurrency": self.limit,
            "threads": len(self.threads),
        }
