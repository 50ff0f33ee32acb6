"""Asking things that may hang: on a thread, for so long, and never many at once."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

import structlog

T = TypeVar("T")

HUNG_SECONDS: Final = 10.0
"""An answer that takes longer may never come: a new line may get one."""
MOST_HUNG: Final = 3
"""Threads that wait for one part. Beyond it the newest is waited for, whatever its age."""

logger = structlog.get_logger(__name__)


class Question(Generic[T]):
    """One question to one part. Whoever asks while it is being asked shares the answer.

    `ask` runs on a daemon thread, which an ending process does not wait for. An answer counts for `fresh_seconds`,
    that there was none too.
    """

    def __init__(
        self,
        part: str,
        ask: Callable[[], T],
        *,
        patience_seconds: float,
        fresh_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._part = part
        self._ask = ask
        self._patience_seconds = patience_seconds
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._asked: list[tuple[float, Future[T | None]]] = []
        self._last: tuple[float, T | None] | None = None
        self._well = True

    async def answer(self) -> T | None:
        """None: there is none, or not soon enough."""
        if self._last is not None and self._clock() - self._last[0] < self._fresh_seconds:
            return self._last[1]
        asked = asyncio.wrap_future(self._under_way())
        done, _ = await asyncio.wait({asked}, timeout=self._patience_seconds)
        if not done:
            self._note(f"no answer within {self._patience_seconds:g} s")
            return None
        self._last = (self._clock(), asked.result())
        return asked.result()

    def _under_way(self) -> "Future[T | None]":
        now = self._clock()
        self._asked = [(at, asked) for at, asked in self._asked if not asked.done()]
        if self._asked:
            at, newest = self._asked[-1]
            if now - at < HUNG_SECONDS or len(self._asked) >= MOST_HUNG:
                return newest
        asked: Future[T | None] = Future()
        # Running, it can no longer be cancelled by whoever stops waiting for it.
        asked.set_running_or_notify_cancel()
        self._asked.append((now, asked))
        threading.Thread(target=self._work, args=(asked,), name=f"ask {self._part}", daemon=True).start()
        return asked

    def _work(self, asked: "Future[T | None]") -> None:
        answer, reason = None, ""
        try:
            answer = self._ask()
        except Exception as error:  # noqa: BLE001  (whatever it was, there is no answer)
            reason = repr(error)
        self._note(reason)
        asked.set_result(answer)

    def _note(self, reason: str) -> None:
        """A line when it changes, not one for each time somebody asks."""
        if (not reason) == self._well:
            return
        self._well = not reason
        if reason:
            logger.warning("part does not answer", part=self._part, reason=reason)
        else:
            logger.info("part answers again", part=self._part)
