"""How late the event loop is: what decides whether deltas are gathered."""

import asyncio
from collections.abc import Callable

PROBE_SECONDS = 0.05
LATE_SECONDS = 0.01


class LoopPressure:
    """A timer that notices how late it is called. `high` is a plain attribute, cheap to read a delta."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._turned_at = clock()
        self.lag_seconds = 0.0
        self.high = False

    def turned_within(self, seconds: float) -> bool:
        """Whether the loop came round lately: a busy one does, a hung one does not. May be asked in any thread."""
        return self._clock() - self._turned_at <= seconds

    def start(self) -> None:
        self._turned_at = self._clock()
        self._due = self._clock() + PROBE_SECONDS
        self._handle = asyncio.get_running_loop().call_later(PROBE_SECONDS, self._probe)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _probe(self) -> None:
        late = max(0.0, self._clock() - self._due)
        # Rises at once, falls slowly: a loop that was late a moment ago is rarely idle now.
        self.lag_seconds = max(late, self.lag_seconds * 0.7)
        self.high = self.lag_seconds > LATE_SECONDS
        self.start()
