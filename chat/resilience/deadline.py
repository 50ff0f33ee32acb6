"""Real timers for model calls: one clockwork a process instead of four timers a call.

A silent upstream is noticed although no byte arrives. `touch` costs one attribute write, so it may be called a delta.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chat.conf import Deadlines

TICK_SECONDS = 0.05
TRAILER_SECONDS = 2.0
USAGE_SECONDS = 5.0
"""How long a provider that has told its whole answer may take to tell what it cost."""


class Interrupted(Exception):
    """The call was ended from outside. `reason` is a phase of `Deadlines`, or what `interrupt` was given."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CallTimer:
    """Watches one call of one task. Phases: `first_token`, then `idle`; `total` over all.

    Connecting has a limit of its own, which the client keeps.
    """

    def __init__(self, deadlines: Deadlines, clock: Callable[[], float]) -> None:
        self._deadlines = deadlines
        self._clock = clock
        self._began = self._phase_began = clock()
        self._phase = "first_token"
        self._task: asyncio.Task[object] | None = None
        self.reason: str | None = None

    def touch(self) -> None:
        """Bytes arrived: life for the idle deadline, not for the first token, the usage, the trailer or the total."""
        if self._phase == "idle":
            self._phase_began = self._clock()

    def first_token(self) -> None:
        self._phase = "idle"
        self._phase_began = self._clock()

    def answered(self) -> None:
        """The answer is whole; what may still come is the end of the body, so that the line can be used again."""
        if self._phase != "trailer":
            self._phase = "trailer"
            self._phase_began = self._clock()

    def told_all(self, *, again: bool) -> None:
        """Nothing of the answer is missing; its usage may still come. `again`: more was told after all."""
        if self._phase != "trailer" and (again or self._phase != "usage"):
            self._phase = "usage"
            self._phase_began = self._clock()

    @property
    def waiting_for_first_token(self) -> bool:
        return self._phase == "first_token"

    def overdue(self, now: float) -> str | None:
        """The phase that has taken too long, if any."""
        limits = self._deadlines
        if now - self._began > limits.total_seconds:
            return "total"
        if self._phase == "first_token":
            return "first_token" if now - self._began > limits.first_token_seconds else None
        if self._phase == "trailer":
            return "idle" if now - self._phase_began > TRAILER_SECONDS else None
        if self._phase == "usage":
            return "idle" if now - self._phase_began > min(USAGE_SECONDS, limits.idle_seconds) else None
        return "idle" if now - self._phase_began > limits.idle_seconds else None

    @property
    def ended(self) -> bool:
        return self.reason is not None

    def interrupt(self, reason: str) -> None:
        """Ends the watched block with `Interrupted(reason)`; the first reason counts."""
        if self.reason is None:
            self.reason = reason
            if self._task is not None:
                self._task.cancel()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """
        Raises:
            Interrupted: the block was ended by a deadline or by `interrupt`.
        """
        task = asyncio.current_task()
        self._raise_if_ended()
        self._task = task
        try:
            yield
        except asyncio.CancelledError:
            # Ours if we asked for it and nobody else did: the same bookkeeping as asyncio.timeout.
            if task is not None and self.ended and task.uncancel() == 0:
                self._raise_if_ended()
            raise
        finally:
            self._task = None

    def _raise_if_ended(self) -> None:
        if self.reason is not None:
            raise Interrupted(self.reason)


class Clockwork:
    """Looks at all running calls every 50 ms while there are any."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._timers: set[CallTimer] = set()
        self._handle: asyncio.TimerHandle | None = None

    @contextmanager
    def watch(self, deadlines: Deadlines) -> Iterator[CallTimer]:
        timer = CallTimer(deadlines, self._clock)
        self._timers.add(timer)
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        try:
            yield timer
        finally:
            self._timers.discard(timer)

    def _tick(self) -> None:
        self._handle = None
        now = self._clock()
        for timer in list(self._timers):
            phase = timer.overdue(now)
            if phase is not None:
                timer.interrupt(phase)
        if self._timers:
            self._handle = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
