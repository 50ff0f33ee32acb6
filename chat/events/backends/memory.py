"""The event log of a single process: lists in memory, kept while a run runs and a while after."""

from collections.abc import Callable

from chat.conf import LogLimits
from chat.events.backends.base import FellBehind
from chat.events.codec import Cursor, Entry, entry
from chat.events.fold import RunState
from chat.events.run_events import RunEvent, RunFinished, RunSnapshot
from chat.exceptions import StaleEpoch


class _RunLog:
    """One run: its entries, what was dropped before them, and who waits for more."""

    def __init__(self, run: str, state: RunState) -> None:
        self.run = run
        self.epoch = 0
        self.state = state
        self.seq = 0
        self.entries: list[Entry] = []
        self.dropped = 0
        """How many entries were dropped from the front, over all epochs."""
        self.size = 0
        self.last_of_epoch: dict[int, int] = {}
        self.feeds: set[_MemoryFeed] = set()
        self.ended_at: float | None = None
        self.finished = False
        """`run.finished` has been told under this epoch."""

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.epoch, self.seq)

    def index_after(self, after: Cursor | None) -> int:
        """The place in `entries` that follows a cursor, counted with the dropped ones."""
        if after is None:
            place = 0
        elif after.epoch not in self.last_of_epoch or after.seq > self.last_of_epoch[after.epoch]:
            raise FellBehind
        else:
            place = sum(last for epoch, last in self.last_of_epoch.items() if epoch < after.epoch) + after.seq
        if place < self.dropped:
            raise FellBehind
        return place


class _MemoryFeed:
    def __init__(self, log: _RunLog, place: int, cursor: Cursor, wake: Callable[[], None]) -> None:
        self._log = log
        self._place = place
        self.cursor = cursor
        self.wake = wake
        log.feeds.add(self)

    def take(self, most: int) -> list[Entry]:
        start = self._place - self._log.dropped
        if start < 0:
            raise FellBehind
        taken = self._log.entries[start : start + most]
        if taken:
            self._place += len(taken)
            self.cursor = taken[-1].cursor
        return taken

    @property
    def done(self) -> bool:
        return self._log.ended_at is not None and self._place == self._log.dropped + len(self._log.entries)

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
        log.epoch, log.seq, log.state, log.ended_at, log.finished = epoch, 0, state, None, False
        log.last_of_epoch[epoch] = 0

    def append(self, run: str, epoch: int, event: RunEvent) -> Cursor:
        log = self._runs.get(run)
        if log is None or log.epoch != epoch or log.ended_at is not None:
            raise StaleEpoch
        log.state.apply(event)
        log.finished = isinstance(event, RunFinished)
        log.seq += 1
        cursor = Cursor(epoch, log.seq)
        log.last_of_epoch[epoch] = log.seq
        made = entry(run, cursor, event)
        log.entries.append(made)
        log.size += made.size
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
        place = log.index_after(after)
        return _MemoryFeed(log, place, after or Cursor(0, 0), wake)

    def follow_from_snapshot(self, run: str, wake: Callable[[], None]) -> tuple[Entry, _MemoryFeed]:
        log = self._runs[run]
        # The last event comes after its snapshot, so that every reader hears the end as such.
        still_to_come = 1 if log.finished else 0
        cursor = Cursor(log.epoch, log.seq - still_to_come)
        snapshot = entry(run, cursor, RunSnapshot(state=log.state.as_dict()))
        return snapshot, _MemoryFeed(log, log.dropped + len(log.entries) - still_to_come, cursor, wake)

    def _trim(self, log: _RunLog) -> None:
        """Drops the older half: rarely, and much at once, so that it costs little an event."""
        keep = self._limits.run_bytes // 2
        drop = 0
        # The newest entry stays whatever its size.
        while log.size > keep and drop < len(log.entries) - 1:
            log.size -= log.entries[drop].size
            drop += 1
        del log.entries[:drop]
        log.dropped += drop

    def forget_old(self) -> None:
        """Drops ended runs whose time is over, or that are too much together."""
        before = self._clock() - self._limits.keep_seconds
        while self._ended:
            run, ended_at = next(iter(self._ended.items()))
            if ended_at >= before and self._ended_bytes <= self._limits.all_ended_bytes:
                return
            del self._ended[run]
            self._ended_bytes -= self._runs.pop(run).size
