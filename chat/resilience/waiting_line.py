"""First come, first served: only the head of a line asks again, the others know their place.

Order holds within one process. Between processes whoever asks first after something became free gets it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

MOST_WAITING: Final = 1000

OnWait = Callable[[int], None]
"""Hears the place in the line, 1 is next; called at the start of a wait and whenever it changes. Must not block."""

Sleep = Callable[[float], Coroutine[Any, Any, object]]

Ask = Callable[[], Awaitable[float | None]]
"""0.0: granted. Else the seconds until it is worth asking again, or None: not before `wake`."""


class WaitedTooLong(Exception):
    """Not granted in time. `retry_after_seconds` is when it may be, where that is known."""

    def __init__(self, what: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(what)
        self.retry_after_seconds = retry_after_seconds


class LineFull(WaitedTooLong):
    """So many wait already that one more is refused at once."""


class _Waiter:
    __slots__ = ("on_wait", "place", "woken")

    def __init__(self, on_wait: OnWait | None) -> None:
        self.on_wait = on_wait
        self.place = 0
        self.woken = asyncio.Event()

    def tell(self, place: int) -> None:
        if place != self.place:
            self.place = place
            if self.on_wait is not None:
                self.on_wait(place)


class _Line:
    """One line for one thing that is short."""

    def __init__(self, what: str, *, clock: Callable[[], float], sleep: Sleep) -> None:
        self._what = what
        self._clock = clock
        self._sleep = sleep
        self.waiters: deque[_Waiter] = deque()

    def wake(self) -> None:
        if self.waiters:
            self.waiters[0].woken.set()

    async def stand(
        self, ask: Ask, again: float | None, *, until: float, on_wait: OnWait | None, exact: bool
    ) -> None:
        waiter = _Waiter(on_wait)
        self.waiters.append(waiter)
        try:
            waiter.tell(len(self.waiters))
            while True:
                left = until - self._clock()
                if left <= 0 or (exact and again is not None and again > left):
                    raise WaitedTooLong(self._what, retry_after_seconds=again if exact else None)
                await self._pause(waiter, left if again is None else min(left, again))
                waiter.woken.clear()
                if self.waiters[0] is waiter:
                    again = await ask()
                    if again == 0.0:
                        return
        finally:
            self._leave(waiter)

    async def _pause(self, waiter: _Waiter, seconds: float) -> None:
        nap = asyncio.ensure_future(self._sleep(seconds))
        call = asyncio.ensure_future(waiter.woken.wait())
        try:
            await asyncio.wait((nap, call), return_when=asyncio.FIRST_COMPLETED)
        finally:
            nap.cancel()
            call.cancel()

    def _leave(self, waiter: _Waiter) -> None:
        self.waiters.remove(waiter)
        self.wake()
        for place, other in enumerate(self.waiters, 1):
            other.tell(place)


class WaitingLines:
    """The lines by what they wait for. Where nobody waits, nothing is kept and nothing runs."""

    def __init__(self, *, clock: Callable[[], float], sleep: Sleep, most_waiting: int = MOST_WAITING) -> None:
        self._clock = clock
        self._sleep = sleep
        self._most_waiting = most_waiting
        self._lines: dict[str, _Line] = {}

    def waiting(self, what: str) -> int:
        line = self._lines.get(what)
        return 0 if line is None else len(line.waiters)

    def lengths(self) -> dict[str, int]:
        return {what: len(line.waiters) for what, line in self._lines.items()}

    def wake_all(self) -> None:
        for line in self._lines.values():
            line.wake()

    def wake(self, what: str) -> None:
        """Something became free: the head of the line asks again at once."""
        line = self._lines.get(what)
        if line is not None:
            line.wake()

    async def stand(
        self,
        what: str,
        ask: Ask,
        *,
        wait_seconds: float,
        on_wait: OnWait | None = None,
        exact: bool = False,
    ) -> float:
        """Returns the seconds waited once `ask` has granted; at once where nobody waits and it grants.

        `exact`: what `ask` says is certain, so that a wait which cannot end in time ends at once.

        Raises:
            WaitedTooLong: not within `wait_seconds`.
            LineFull: `most_waiting` people wait already.
        """
        began = self._clock()
        line = self._lines.get(what)
        again: float | None = None
        if line is None:
            again = await ask()
            if again == 0.0:
                return 0.0
            line = self._lines.get(what)
        if line is None:
            line = self._lines[what] = _Line(what, clock=self._clock, sleep=self._sleep)
        if len(line.waiters) >= self._most_waiting:
            raise LineFull(what)
        try:
            await line.stand(ask, again, until=began + wait_seconds, on_wait=on_wait, exact=exact)
        finally:
            if not line.waiters and self._lines.get(what) is line:
                del self._lines[what]
        return self._clock() - began
