"""A copy of a run that another process makes, filled from its stream, and the readers of it in this process."""

from collections.abc import Callable

import msgspec

from chat.conf import StreamLimits
from chat.events.backends.base import FellBehind, UnknownRun
from chat.events.backends.redis_wire import StreamEntry
from chat.events.backends.run_log import RunLog
from chat.events.codec import Cursor, Entry, decode_event, entry, has_type
from chat.events.fold import RunState
from chat.events.run_events import RunFinished, RunSnapshot

NOTHING = Cursor(0, 0)


class Mirror:
    """`away` says that Redis is not read at the moment; `left` hears of the last reader who went.

    The state is folded only when somebody asks for it, from the last point where it is known.
    """

    def __init__(
        self,
        run: str,
        limits: StreamLimits,
        *,
        clock: Callable[[], float],
        away: Callable[[], bool],
        left: Callable[["Mirror"], None],
    ) -> None:
        self.run = run
        self.log: RunLog | None = None
        self.last = NOTHING
        """The last entry that was taken in: where to read on. Also the last of `log`."""
        self.loaded = False
        self.gone = False
        """The run is made in this process from here on, or cannot be copied."""
        self.feeds: set[MirrorFeed] = set()
        self.limits = limits
        self.clock = clock
        self.heard_at = clock()
        self._away = away
        self._left = left
        self._state: RunState | None = None
        """As of the place `_folded`; None: not known."""
        self._folded = 0

    @property
    def late(self) -> bool:
        if self.log is not None and self.log.finished:
            return False
        return self._away() or self.clock() - self.heard_at > self.limits.quiet_seconds

    def take_in(self, entries: list[StreamEntry]) -> None:
        """Entries in their order; those that are here already pass by."""
        for one in entries:
            if one.cursor > self.last:
                self._take_one(one)
                self.last = one.cursor
        self.heard_at = self.clock()
        log = self.log
        if log is not None and log.size > self.limits.copy_bytes:
            self._settle()
            log.trim(self.limits.copy_bytes // 2)

    def finish_loading(self) -> None:
        if self.loaded:
            return
        self.loaded = True
        self.heard_at = self.clock()
        self.wake()

    def leave(self, feed: "MirrorFeed") -> None:
        self.feeds.discard(feed)
        if not self.feeds:
            self._left(self)

    def retire(self) -> None:
        """Its readers look elsewhere from now on."""
        self.gone = True
        self.wake()

    def wake(self) -> None:
        for feed in tuple(self.feeds):
            feed.wake()

    def snapshot(self) -> tuple[Entry, int]:
        """The run's state and the place after it; an end comes after its snapshot.

        Raises:
            UnknownRun: not enough is known to tell.
        """
        self._settle()
        log = self.log
        if not self.loaded or log is None or self._state is None:
            raise UnknownRun(self.run)
        place = log.end - (1 if log.finished else 0)
        return entry(self.run, log.cursor_before(place), RunSnapshot(state=self._state.as_dict())), place

    # --- what the stream says ----------------------------------------------------------------------------

    def _take_one(self, one: StreamEntry) -> None:
        log, cursor = self.log, one.cursor
        if one.body is None:
            self._take_mark(one)
            return
        if log is None or cursor != (self.last.epoch, self.last.seq + 1):
            log = self._restart(Cursor(cursor.epoch, cursor.seq - 1), None)
        if self._state is None and has_type(one.body, RunSnapshot):
            self._state, self._folded = RunState(), log.end
        log.add(one.body)
        if has_type(one.body, RunFinished):
            log.finished = log.over = True
        if one.state is not None:
            self._know(log, one.state)

    def _take_mark(self, one: StreamEntry) -> None:
        """A claim, or a state that stands for everything up to its number."""
        log, cursor = self.log, one.cursor
        if cursor.seq == 0 and log is not None and one.state is None:
            log.begin(cursor.epoch)
            log.finished = log.over = False
            return
        log = self._restart(cursor, RunState() if cursor == (1, 0) else None)
        if one.state is not None:
            self._know(log, one.state)

    def _restart(self, cursor: Cursor, state: RunState | None) -> RunLog:
        """What came before is not known, or no longer; readers that were not as far fall behind."""
        self.log = RunLog.starting_after(self.run, cursor, RunState())
        self._state, self._folded = state, cursor.seq
        return self.log

    def _know(self, log: RunLog, state: bytes) -> None:
        self._state = RunState.from_dict(msgspec.json.decode(state))
        self._folded = log.end

    def _settle(self) -> None:
        log, state = self.log, self._state
        if log is None or state is None:
            return
        for body in log.read(self._folded, log.end - self._folded):
            try:
                state.apply(decode_event(body))
            except msgspec.MsgspecError:
                continue  # of a newer version of this program; a viewer ignores it too
        self._folded = log.end


class MirrorFeed:
    """Fulfils `Feed`, over a copy that may still be on its way."""

    def __init__(self, mirror: Mirror, after: Cursor | None, wake: Callable[[], None]) -> None:
        self.cursor = after or Cursor(1, 0)
        self.wake = wake
        self._mirror = mirror
        self._after = after
        self._log: RunLog | None = None
        self._place = 0
        self._patient_until: float | None = None
        mirror.feeds.add(self)

    @classmethod
    def at(cls, mirror: Mirror, place: int, wake: Callable[[], None]) -> "MirrorFeed":
        feed = cls(mirror, None, wake)
        assert mirror.log is not None  # noqa: S101  (it has just made a snapshot)
        feed._log, feed._place = mirror.log, place
        feed.cursor = feed._after = mirror.log.cursor_before(place)
        return feed

    def take(self, most: int) -> list[Entry]:
        mirror = self._mirror
        if mirror.gone:
            raise FellBehind
        if not mirror.loaded:
            return []
        if mirror.log is None:
            raise UnknownRun(mirror.run)
        if self._log is not mirror.log and not self._find_place(mirror.log):
            return []
        taken = mirror.log.entries(self._place, most)
        if taken:
            self._place += len(taken)
            self.cursor = self._after = taken[-1].cursor
        return taken

    @property
    def done(self) -> bool:
        log = self._log
        return log is not None and log is self._mirror.log and log.over and self._place == log.end

    @property
    def moved(self) -> bool:
        return self._mirror.gone

    @property
    def late(self) -> bool:
        return self._mirror.late

    @property
    def backlog(self) -> int:
        return self._log.end - self._place if self._log is not None else 0

    @property
    def waits_for_what_it_has_seen(self) -> bool:
        return self._patient_until is not None

    def close(self) -> None:
        self._mirror.leave(self)

    def _find_place(self, log: RunLog) -> bool:
        """False: the reader is ahead of this copy, by as much as may be on its way.

        Raises:
            FellBehind
        """
        try:
            self._place = log.place_after(self._after)
        except FellBehind:
            if self._after is None or self._after.epoch != log.epoch or self._after <= log.last:
                raise
            now = self._mirror.clock()
            if self._patient_until is None:
                self._patient_until = now + self._mirror.limits.ahead_seconds
            if now >= self._patient_until:
                raise
            return False
        self._log, self._patient_until = log, None
        return True
