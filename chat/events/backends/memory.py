"""The event log of a single process: lists in memory, kept while a run runs and a while after."""

from collections.abc import Callable

from chat.conf import LogLimits
from chat.events.backends.base import UnknownRun
from chat.events.backends.run_log import RunFeed, RunLog
from chat.events.codec import Cursor, Entry, encode_event, entry
from chat.events.fold import RunState
from chat.events.run_events import RunEvent, RunFinished, RunSnapshot
from chat.exceptions import StaleEpoch


class MemoryEventLog:
    """Fulfils `EventLog`. `clock` gives seconds that only grow."""

    delayed = False

    def __init__(self, limits: LogLimits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._runs: dict[str, RunLog] = {}
        self._ended: dict[str, float] = {}
        """Ended runs in the order they ended, so that forgetting looks only at the oldest."""
        self._ended_bytes = 0
        self.told = self.told_bytes = 0

    def unwritten(self) -> tuple[int, int]:
        return 0, 0

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def start(self) -> None:
        pass

    async def aclose(self) -> None:
        pass

    def begin(self, run: str, epoch: int, state: RunState) -> None:
        log = self._runs.get(run)
        if log is None:
            log = self._runs[run] = RunLog(run, state)
        elif epoch <= log.epoch:
            raise StaleEpoch
        if self._ended.pop(run, None) is not None:
            self._ended_bytes -= log.size
        log.state, log.ended_at, log.over, log.finished = state, None, False, False
        log.begin(epoch)

    def append(self, run: str, epoch: int, event: RunEvent) -> Cursor:
        log = self._runs.get(run)
        if log is None or log.epoch != epoch or log.ended_at is not None:
            raise StaleEpoch
        log.state.apply(event)
        log.finished = isinstance(event, RunFinished)
        body = encode_event(event)
        log.add(body)
        self.told += 1
        self.told_bytes += len(body)
        cursor = Cursor(epoch, log.end - log.starts[-1])
        if log.size > self._limits.run_bytes:
            # The older half: rarely, and much at once, so that it costs little an event.
            log.trim(self._limits.run_bytes // 2)
        log.wake()
        return cursor

    def end(self, run: str, epoch: int) -> None:
        log = self._runs.get(run)
        if log is not None and log.epoch == epoch and log.ended_at is None:
            log.over = True
            self._close(log)

    def let_go(self, run: str, epoch: int) -> None:
        log = self._runs.get(run)
        if log is not None and log.epoch == epoch and log.ended_at is None:
            self._close(log)

    def follow(self, run: str, after: Cursor | None, wake: Callable[[], None]) -> RunFeed:
        log = self.of(run)
        return RunFeed(log, log.place_after(after), wake)

    def follow_from_snapshot(self, run: str, wake: Callable[[], None]) -> tuple[Entry, RunFeed]:
        log = self.of(run)
        # The last event comes after its snapshot, so that every reader hears the end as such.
        feed = RunFeed(log, log.end - (1 if log.finished else 0), wake)
        return entry(run, feed.cursor, RunSnapshot(state=log.state.as_dict())), feed

    def forget_old(self) -> None:
        """Drops ended runs whose time is over, or that are too much together."""
        before = self._clock() - self._limits.keep_seconds
        while self._ended:
            run, ended_at = next(iter(self._ended.items()))
            if ended_at >= before and self._ended_bytes <= self._limits.all_ended_bytes:
                return
            self.forget(run)

    # --- for a log of many processes, which is built on this one ---------------------------------------

    def __contains__(self, run: object) -> bool:
        return run in self._runs

    def of(self, run: str) -> RunLog:
        """
        Raises:
            UnknownRun
        """
        log = self._runs.get(run)
        if log is None:
            raise UnknownRun(run)
        return log

    def forget(self, run: str) -> None:
        """Drops a run now. Its readers learn that they have to look elsewhere."""
        log = self._runs.pop(run, None)
        if log is None:
            return
        if self._ended.pop(run, None) is not None:
            self._ended_bytes -= log.size
        log.gone = True
        log.wake()

    def _close(self, log: RunLog) -> None:
        log.ended_at = self._ended[log.run] = self._clock()
        self._ended_bytes += log.size
        self.forget_old()
