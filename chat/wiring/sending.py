"""How invocations get to workers, and how workers say that something has changed."""

import asyncio
import os
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import structlog
from celery import current_app
from django.conf import settings
from kombu.exceptions import LimitExceeded, OperationalError

from chat.engine.broadcast import Broadcast
from chat.engine.invocations import Seen
from chat.engine.tool_work import HANG_SECONDS
from chat.wiring.backends import channel_layer

logger = structlog.get_logger(__name__)

CALL_TOOL: Final = "tools.call"
CALL_WEBHOOK_TOOL: Final = "tools.webhook"
CALL_WEBHOOK_TOOL_AGAIN: Final = "tools.webhook_again"
SOFT_SECONDS: Final = 1.0
HARD_SECONDS: Final = HANG_SECONDS + 2.0
AWAY_SECONDS: Final = 1.0
"""For so long after a failure nobody tries: a broker that hangs costs each try two seconds or three."""


class Sender:
    """Sends tasks without holding anybody up.

    The database, not the broker, is what remembers: whatever must happen is a row that a sweep finds again. So a task
    that could not be sent is only late.
    """

    def __init__(self, dispatch: Callable[..., Any], clock: Callable[[], float]) -> None:
        """`dispatch` is Celery's `send_task`, and raises what that raises."""
        self._dispatch = dispatch
        self._clock = clock
        self._away_until = float("-inf")

    def __call__(self, task: str, *arguments: Any, **options: Any) -> bool:
        """False where the broker is away; `options` are those of `apply_async`.

        By its name: a process that only sends need not have imported any task.
        """
        if self._clock() < self._away_until:
            return False
        try:
            self._dispatch(task, args=arguments, **options)
        except (OperationalError, LimitExceeded) as error:
            self._away_until = self._clock() + AWAY_SECONDS
            logger.warning("task not sent", task=task, reason=str(error) or type(error).__name__)
            return False
        return True


def _dispatch(task: str, **options: Any) -> None:
    current_app.send_task(task, **options)


send: Final = Sender(_dispatch, time.monotonic)


def send_tool(invocation: Seen) -> None:
    """The row is the truth: what is lost on the way is given out again.

    Celery's limits count where tools have processes of their own. The soft one interrupts a tool that has not seen that
    its time is up, the hard one kills its process, when the row has told already that nobody waits any more.
    """
    if invocation.kind == "webhook":
        send(CALL_WEBHOOK_TOOL, invocation.id)
        return
    seconds = invocation.seconds
    options: dict[str, Any] = {"queue": invocation.queue} if invocation.queue else {}
    if seconds is not None:
        options |= {"soft_time_limit": seconds + SOFT_SECONDS, "time_limit": seconds + HARD_SECONDS}
    send(CALL_TOOL, invocation.id, **options)


class HintLine:
    """For a process without an event loop: a thread with one, on which hints go out."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._broadcast: Broadcast | None = None
        self._began = threading.Event()
        threading.Thread(target=self._run, name="hints", daemon=True).start()
        self._began.wait()

    def hint(self, name: str, **fields: Any) -> None:
        assert self._broadcast is not None  # noqa: S101
        self._loop.call_soon_threadsafe(partial(self._broadcast.hint, name, **fields))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._begin)
        self._loop.run_forever()

    def _begin(self) -> None:
        layer = channel_layer(settings.REDIS_URL)
        self._broadcast = Broadcast(layer, name=uuid.uuid4().hex, hinted=lambda name, fields: None)
        self._broadcast.start()
        self._began.set()


_line: tuple[int, HintLine] | None = None
_making = threading.Lock()


def line_of_process() -> HintLine:
    """One a process: a child that was forked has a line of its own."""
    global _line
    with _making:
        if _line is None or _line[0] != os.getpid():
            _line = (os.getpid(), HintLine())
        return _line[1]
