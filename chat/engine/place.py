"""A run's place in a line, as its viewers hear of it."""

import asyncio
from collections.abc import Callable

PLACE_EACH_SECONDS = 1.0
"""Lines move fast."""


class PlaceInLine:
    """Told at most once a second, and always the place that holds in the end; 0 when the wait is over."""

    def __init__(self, tell: Callable[[int], None], clock: Callable[[], float]) -> None:
        """`clock` gives seconds, as the running loop's timers do."""
        self._tell = tell
        self._clock = clock
        self._place = 0
        self._told = 0
        self._told_at: float | None = None
        self._later: asyncio.TimerHandle | None = None

    def stands(self, place: int) -> None:
        """1 is next. A long line moves many times a second: what is to be told later only takes the place in."""
        self._place = place
        if self._later is not None or place == self._told:
            return
        wait_seconds = 0.0
        if self._told_at is not None:
            wait_seconds = PLACE_EACH_SECONDS - (self._clock() - self._told_at)
        if wait_seconds > 0:
            self._later = asyncio.get_running_loop().call_later(wait_seconds, self._say_now)
        else:
            self._say(place)

    def got(self) -> None:
        """It has its turn. Who was never told of a line hears nothing of its end."""
        self.leave()
        if self._told:
            self._say(0)

    def leave(self) -> None:
        """Nothing is told later."""
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _say_now(self) -> None:
        self._later = None
        if self._place != self._told:
            self._say(self._place)

    def _say(self, place: int) -> None:
        self._told = place
        if place:
            self._told_at = self._clock()
        self._tell(place)
