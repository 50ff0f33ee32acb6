"""The event log of a single process: lists in memory, kept while a run runs and a while after.

An event is kept as its encoded body alone; number and frame are put around it when it is read. Most of what a server
holds in memory are events of ended runs, which hardly anybody reads again.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from chat.conf import LogLimits
from chat.events.backends.base import FellBehind
from chat.events.codec import Cursor, Entry, encode_event, entry, framed
from chat.events.fold import RunState
from chat.events.run_events import RunEvent, RunFinished, RunSnapshot
from chat.exceptions import StaleEpoch

OBJECT_BYTES: Final = 48
"""What CPython needs for a short `bytes` and its place in a list, besides the bytes themselves."""


class _RunLog:
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
        self.feeds: set[_MemoryFeed] = set()
        self.ended_at: float | None = None
        self.finished = False
        """`run.finished` has been told under the last epoch."""

    @property
    def epoch(self) -> int:
        return self.epochs[-1] if self.epochs else 0

    @property
    def end(self) -> int:
        """The place after the last event."""
        return self.dropped + len(self.bodies)

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


class _MemoryFeed:
    def __init__(self, log: _RunLog, place: int, wake: Callable[[], None]) -> None:
        self._log = log
        self._place = place
        self.cursor = log.cursor_before(place)
        self.wake = wake
        log.feeds.add(self)

    def take(self, most: int) -> list[Entry]:
        log = self._log
        start = self._place - log.dropped
        if start < 0:
            raise FellBehind
        taken = []
        for body in log.bodies[start : start + most]:
            self._place += 1
            self.cursor = log.cursor_before(self._place)
            taken.append(framed(log.run, self.cursor, body))
        return taken

    @property
    def done(self) -> bool:
        return self._log.ended_at is not None and self._place == self._log.end

    def close(self) -> None:
        self._log.feeds.discard(self)


class MemoryEventLog:
    """Fulfils `EventLog`. `clock` gives seconds that only grow."""

    def __init__(self, limits: LogLimits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._runs: dict[str, _RunLog] = {}
        self._ended: dict[str, float] = {}
        """Ended runs in the order they ended, so that forgetting looks only at the oldest."""
        self._ended_bytes = 0

    def begin(self, run: str, epoch: int, state: RunState) -> None:
        log = self._runs.get(run)
        if log is None:
            log = self._runs[run] = _RunLog(run, state)
        elif epoch <= log.epoch:
            raise StaleEpoch
        if self._ended.pop(run, None) is not None:
            self._ended_bytes -= log.size
        log.state, log.ended_at, log.finished = state, None, False
        log.epochs.append(epoch)
        log.starts.append(log.end)

    def append(self, run: str, epoch: int, event: RunEvent) -> Cursor:
        log = self._runs.get(run)
        if log is None or log.epoch != epoch or log.ended_at is not None:
            raise StaleEpoch
        log.state.apply(event)
        log.finished = isinstance(event, RunFinished)
        body = encode_event(event)
        log.bodies.append(body)
        log.size += len(body) + OBJECT_BYTES
        cursor = Cursor(epoch, log.end - log.starts[-1])
        if log.size > self._limits.run_bytes:
            self._trim(log)
        for feed in tuple(log.feeds):
            feed.wake()
        return cursor

    def end(self, run: str, epoch: int) -> None:
        log = self._runs.get(run)
        if log is not None and log.epoch == epoch and log.ended_at is None:
            log.ended_at = self._ended[run] = self._clock()
            self._ended_bytes += log.size
            self.forget_old()

    def follow(self, run: str, after: Cursor | None, wake: Callable[[], None]) -> _MemoryFeed:
        log = self._runs[run]
        return _MemoryFeed(log, log.place_after(after), wake)

    def follow_from_snapshot(self, run: str, wake: Callable[[], None]) -> tuple[Entry, _MemoryFeed]:
        log = self._runs[run]
        # The last event comes after its snapshot, so that every reader hears the end as such.
        feed = _MemoryFeed(log, log.end - (1 if log.finished else 0), wake)
        return entry(run, feed.cursor, RunSnapshot(state=log.state.as_dict())), feed

    def forget_old(self) -> None:
        """Drops ended runs whose time is over, or that are too much together."""
        before = self._clock() - self._limits.keep_seconds
        while self._ended:
            run, ended_at = next(iter(self._ended.items()))
            if ended_at >= before and self._ended_bytes <= self._limits.all_ended_bytes:
                return
            del self._ended[run]
            self._ended_bytes -= self._runs.pop(run).size

    def _trim(self, log: _RunLog) -> None:
        """Drops the older half: rarely, and much at once, so that it costs little an event."""
        keep = self._limits.run_bytes // 2
        drop = 0
        # The newest event stays whatever its size.
        while log.size > keep and drop < len(log.bodies) - 1:
            log.size -= len(log.bodies[drop]) + OBJECT_BYTES
            drop += 1
        del log.bodies[:drop]
        log.dropped += drop
