"""How invocations get to workers, and how workers say that something has changed."""

import asyncio
import os
import threading
import uuid
from functools import partial
from typing import Any

from django.conf import settings

from chat.engine.broadcast import Broadcast
from chat.engine.invocations import Seen
from chat.wiring.backends import channel_layer


def send_tool(invocation: Seen) -> None:
    """The row is the truth: what is lost on the way is given out again."""
    # Tasks know the wiring; here only the names of theirs are known.
    from celery import current_app

    task = current_app.tasks["tools.call"]
    from chat.tasks import send

    send(task, invocation.id, queue=invocation.queue or None)


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
