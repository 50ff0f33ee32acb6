"""One run's events in memory, and a reader's place among them. Every backend serves its readers from one of these.

An event is kept as its encoded body alone; number and frame are put around it when it is read. Most of what a server
holds in memory are events of ended runs, which hardly anybody reads again.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import Final, Protocol

from chat.events.backends.base import FellBehind
from chat.events.codec import Cursor, Entry, framed
from chat.events.fold import RunState

OBJECT_BYTES: Final = 48
"""What CPython needs for a short `bytes` and its place in a list, besides the bytes themselves."""


class Waiting(Protocol):
    """Somebody who wants to know when there is something new."""

    def wake(self) -> None: ...


class RunLog:
    """One run: its events over all epochs, what was dropped before them, and who waits for more.

    A place counts events over all epochs, from 0; `starts` says at which place each epoch begins.
    """

    def __init__(self, run: str, state: RunState) -> None:
        self.run = run
        self.state = state
        self.bodies: list[bytes] = []
        self.dropped = 0
        self.size = 0
        self.epochs: list[int] = []
        self.starts: list[int] = []
        self.waiting: set[Waiting] = set()
        self.ended_at: float | None = None
        """Nothing more will be written under the last epoch."""
        self.over = False
        """Nothing more will come at all."""
        self.finished = False
        """The last event is `run.finished`."""
        self.gone = False
        """Nobody will write here again: the run is forgotten, or made elsewhere."""

    @classmethod
    def starting_after(cls, run: str, cursor: Cursor, state: RunState) -> "RunLog":
        """A log that knows nothing of what was up to a cursor."""
        log = cls(run, state)
        log.epochs, log.starts, log.dropped = [cursor.epoch], [0], cursor.seq
        return log

    @property
    def epoch(self) -> int:
        return self.epochs[-1] if self.epochs else 0

    @property
    def end(self) -> int:
        """The place after the last event."""
        return self.dropped + len(self.bodies)

    @property
    def last(self) -> Cursor:
        """The cursor of the last event."""
        return Cursor(self.epochs[-1], self.end - self.starts[-1])

    def begin(self, epoch: int) -> None:
        self.epochs.append(epoch)
        self.starts.append(self.end)

    def add(self, body: bytes) -> None:
        self.bodies.append(body)
        self.size += len(body) + OBJECT_BYTES

    def wake(self) -> None:
        for one in tuple(self.waiting):
            one.wake()

    def cursor_before(self, place: int) -> Cursor:
        """The cursor of the event before a place; of the beginning of the epoch where there is none."""
        number = bisect_right(self.starts, place - 1) - 1 if place > self.starts[0] else 0
        return Cursor(self.epochs[number], place - self.starts[number])

    def place_after(self, cursor: Cursor | None) -> int:
        """
        Raises:
            FellBehind: that cursor was never given out, or what follows it is gone.
        """
        place = 0 if cursor is None else self._place_of(cursor)
        if place < self.dropped:
            raise FellBehind
        return place

    def _place_of(self, cursor: Cursor) -> int:
        if cursor.epoch not in self.epochs:
            raise FellBehind
        number = self.epochs.index(cursor.epoch)
        place = self.starts[number] + cursor.seq
        next_start = self.starts[number + 1] if number + 1 < len(self.starts) else self.end
        if place > next_start:
            raise FellBehind
        return place

    def read(self, place: int, most: int) -> list[bytes]:
        """The bodies from a place on.

        Raises:
            FellBehind: they are gone.
        """
        start = place - self.dropped
        if start < 0:
            raise FellBehind
        return self.bodies[start : start + most]

    def entries(self, place: int, most: int) -> list[Entry]:
        """
        Raises:
            FellBehind: they are gone.
        """
        bodies = self.read(place, most)
        return [
            framed(self.run, self.cursor_before(place + number), body)
            for number, body in enumerate(bodies, start=1)
        ]

    def trim(self, keep: int) -> None:
        """Drops the oldest events until `keep` bytes are left. The newest stays whatever its size."""
        drop = 0
        while self.size > keep and drop < len(self.bodies) - 1:
            self.size -= len(self.bodies[drop]) + OBJECT_BYTES
            drop += 1
        del self.bodies[:drop]
        self.dropped += drop


class RunFeed:
    """Fulfils `Feed`, over a log in this process."""

    late = False

    def __init__(self, log: RunLog, place: int, wake: Callable[[], None]) -> None:
        self._log = log
        self._place = place
        self.cursor = log.cursor_before(place)
        self.wake = wake
        log.waiting.add(self)

    def take(self, most: int) -> list[Entry]:
        log = self._log
        taken = log.entries(self._place, most)
        if taken:
            self._place += len(taken)
            self.cursor = taken[-1].cursor
        elif self.moved:
            raise FellBehind
        return taken

    @property
    def moved(self) -> bool:
        return self._log.gone and not self._log.over

    @property
    def done(self) -> bool:
        return self._log.over and self._place == self._log.end

    @property
    def backlog(self) -> int:
        return self._log.end - self._place

    def close(self) -> None:
        self._log.waiting.discard(self)
