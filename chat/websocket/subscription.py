"""Following runs: which logs a reader is on, and what it is sent next. Serves WebSockets; knows nothing of them."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast
from uuid import UUID

import msgspec

from chat.engine.database import DatabaseThreads
from chat.engine.history import state_of, stored_money
from chat.events.backends.base import EventLog, Feed, FellBehind, UnknownRun
from chat.events.codec import Cursor, Entry, entry
from chat.events.run_events import (
    EndStatus,
    ErrorFacts,
    Money,
    RunFinished,
    RunSnapshot,
    StopReceipt,
    UsageFigures,
)
from chat.exceptions import NotFound, StorageUnavailable
from chat.models import Run, User

LOOK_AT_QUIET_SECONDS = 5.0
"""How often a run of which the log hears nothing is looked up in the database; once a second where the log is away."""


class _Followed:
    """One run of one reader: entries made for it alone come first, then the log's."""

    def __init__(
        self, run: str, after: Cursor | None, ready: dict[str, "_Followed"], wake: Callable[[], None]
    ) -> None:
        self.run = run
        self.feed: Feed | None = None
        self.own: deque[Entry] = deque()
        self.seen = after
        """The last that the reader has, by its own account or because we gave it; what waits in `own` counts."""
        self.given: Cursor | None = None
        self.over = False
        """Nothing will come but what is in `own`."""
        self.must_look = False
        """The log was asked and does not know the run: the database is next."""
        self.looked_at = float("-inf")
        self._ready = ready
        self._wake = wake

    def wake(self) -> None:
        self._ready[self.run] = self
        self._wake()

    def give(self, entries: Sequence[Entry]) -> None:
        self.own += entries
        self.note(entries)

    def note(self, entries: Sequence[Entry]) -> None:
        if entries:
            self.seen = self.given = entries[-1].cursor

    def leave_log(self) -> None:
        if self.feed is not None:
            self.feed.close()
            self.feed = None

    @property
    def in_doubt(self) -> bool:
        """The database may know more than the log."""
        return not self.over and (self.feed is None or self.feed.late)


class Subscriptions:
    """All runs one reader follows. Pulled: nothing is queued for a slow reader but its places in the logs.

    `wake` is called when `take` may have something, `look` when `look_again` should be called at once.
    """

    def __init__(
        self,
        user: User,
        *,
        log: EventLog,
        database: DatabaseThreads,
        wake: Callable[[], None],
        look: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._user = user
        self._log = log
        self._database = database
        self._wake = wake
        self._look = look
        self._clock = clock
        self._runs: dict[str, _Followed] = {}
        self._ready: dict[str, _Followed] = {}

    def __len__(self) -> int:
        return len(self._runs)

    async def follow(self, run: UUID, after: Cursor | None) -> None:
        """Everything after the cursor, or one snapshot where the log does not have it; then live.

        Raises:
            NotFound: absent or not this reader's.
        """
        key = str(run)
        if not await self._database(self._is_visible, run):
            raise NotFound
        # The row has all of the text: it is read only where the log does not do.
        if self._follow_log(key, after):
            return
        stored = (await self._database(self._stored, [run])).get(key)
        if stored is None:
            raise NotFound
        # From here on without waiting, so that what the log and the row say is of one instant.
        if self._follow_log(key, after):
            return
        # Too long ago for the log, not taken up by anybody yet, or the log is away.
        followed = self._runs[key] = _Followed(key, after, self._ready, self._wake)
        followed.give(_after(stored_entries(stored), after))
        followed.over = stored.ended
        followed.wake()

    def _follow_log(self, run: str, after: Cursor | None) -> bool:
        """Anew, where it was followed before. False: the log does not know it, or may be long in telling."""
        self.unfollow(run)
        followed = self._runs[run] = _Followed(run, after, self._ready, self._wake)
        self._join(followed)
        if followed.feed is None or (followed.feed.late and self._log.delayed):
            self.unfollow(run)
            return False
        followed.wake()
        return True

    def follow_started(self, run: str) -> None:
        """Follows a run that this reader has just started, from its first event.

        A repeated start may be of one that the log has forgotten: the database is asked, until it answers.
        """
        if run in self._runs:
            return
        followed = self._runs[run] = _Followed(run, None, self._ready, self._wake)
        if self._join(followed):
            followed.wake()
        else:
            followed.must_look = True
            self._look()

    def unfollow(self, run: str) -> None:
        followed = self._runs.pop(run, None)
        self._ready.pop(run, None)
        if followed is not None:
            followed.leave_log()

    def close(self) -> None:
        for run in list(self._runs):
            self.unfollow(run)

    @property
    def backlog(self) -> int:
        """Events that are there and were not taken yet."""
        return sum(
            len(one.own) + (one.feed.backlog if one.feed is not None else 0) for one in self._runs.values()
        )

    @property
    def delayed(self) -> bool:
        """The log is away, and this reader would hear something through it."""
        return self._log.delayed and any(one.in_doubt for one in self._runs.values())

    @property
    def look_again_soon(self) -> bool:
        return any(one.in_doubt for one in self._runs.values())

    async def look_again(self) -> None:
        """The net under the log: what it does not know, or hears nothing of, may be in the database."""
        asked = [one for one in self._runs.values() if self._to_be_looked_at(one)]
        if not asked:
            return
        for followed in asked:
            followed.looked_at = self._clock()
        try:
            stored = await self._database(self._stored, [UUID(one.run) for one in asked])
        except StorageUnavailable:
            return
        finally:
            for followed in asked:
                followed.must_look = False
        for followed in asked:
            if self._runs.get(followed.run) is followed and followed.in_doubt:
                self._give_stored(followed, stored.get(followed.run))

    def join_again(self) -> None:
        """Runs that the log did not know may have been taken up; a log that was away may be back."""
        if self._log.delayed:
            return
        for followed in list(self._runs.values()):
            if (
                followed.feed is None
                and not followed.over
                and not followed.must_look
                and self._join(followed)
            ):
                followed.wake()

    def take(self, most: int) -> list[tuple[str, Entry]]:
        """The next entries, at most `most`; those of one run in order. A run is let go with its last one."""
        out: list[tuple[str, Entry]] = []
        for run, followed in list(self._ready.items()):
            room = most - len(out)
            if room <= 0:
                break
            while followed.own and room > 0:
                out.append((run, followed.own.popleft()))
                room -= 1
            entries = self._entries(followed, room) if room > 0 else []
            out += [(run, made) for made in entries]
            if entries and followed.feed is not None and followed.feed.moved:
                # Its last words here, and no wake-up will come: it is asked again at once.
                self._wake()
            elif len(entries) < room and not followed.own:
                del self._ready[run]
                if followed.over or (followed.feed is not None and followed.feed.done):
                    self.unfollow(run)
        return out

    def give_back(self, entries: list[tuple[str, Entry]]) -> None:
        """Entries that were taken and could not be sent. `take` returns them first."""
        for run, made in reversed(entries):
            followed = self._runs.get(run)
            if followed is None:
                # Let go with these as its last ones.
                followed = self._runs[run] = _Followed(run, made.cursor, self._ready, self._wake)
                followed.over = True
            followed.own.appendleft(made)
            self._ready[run] = followed

    def _join(self, followed: _Followed) -> bool:
        try:
            followed.feed = self._log.follow(followed.run, followed.seen, followed.wake)
        except FellBehind:
            return self._begin_anew(followed)
        except UnknownRun:
            return False
        return True

    def _begin_anew(self, followed: _Followed) -> bool:
        """From a snapshot. False: the log has none, or is behind what we have shown from the database."""
        before, followed.feed = followed.feed, None
        try:
            snapshot, followed.feed = self._log.follow_from_snapshot(followed.run, followed.wake)
        except UnknownRun:
            return False
        finally:
            # The log may forget what nobody reads: the old feed goes when the new one is there.
            if before is not None:
                before.close()
        if followed.given is not None and snapshot.cursor < followed.given:
            followed.leave_log()
            return False
        followed.give([snapshot])
        return True

    def _entries(self, followed: _Followed, most: int) -> list[Entry]:
        if followed.feed is None:
            return []
        try:
            entries = followed.feed.take(most)
        except FellBehind:
            if self._begin_anew(followed):
                return [followed.own.popleft(), *self._entries(followed, most - 1)]
            followed.must_look = True
            self._look()
            return []
        except UnknownRun:
            followed.leave_log()
            followed.must_look = True
            self._look()
            return []
        followed.note(entries)
        return entries

    def _to_be_looked_at(self, followed: _Followed) -> bool:
        # What was looked up before and still waits for credit comes first.
        if not followed.in_doubt or followed.own:
            return False
        each_seconds = 0.0 if followed.feed is None or self._log.delayed else LOOK_AT_QUIET_SECONDS
        return self._clock() - followed.looked_at >= each_seconds

    def _give_stored(self, followed: _Followed, stored: Run | None) -> None:
        if stored is None:
            self.unfollow(followed.run)
            return
        entries = stored_entries(stored)
        if stored.ended:
            entries = _after(entries, followed.seen)
        elif followed.seen is not None and entries[-1].cursor <= followed.seen:
            return
        followed.leave_log()
        followed.give(entries)
        followed.over = stored.ended
        followed.wake()

    def _is_visible(self, run: UUID) -> bool:
        return Run.objects.visible_to(self._user).filter(pk=run).exists()

    def _stored(self, runs: Sequence[UUID]) -> dict[str, Run]:
        """Those that are there and this reader's."""
        found = Run.objects.visible_to(self._user).select_related("message").filter(pk__in=runs)
        return {str(run.pk): run for run in found}


def _after(entries: list[Entry], after: Cursor | None) -> list[Entry]:
    """What of a stored run a reader has not seen: nothing before its cursor, where the cursor is of the same epoch."""
    last = entries[-1].cursor
    if after is None or after.epoch != last.epoch or after > last:
        return entries
    return [one for one in entries if one.cursor > after]


def stored_entries(run: Run) -> list[Entry]:
    """A run that the log does not have, from the database: one snapshot, and the end where it has ended."""
    key = str(run.pk)
    last = Cursor(max(run.epoch, 1), run.last_seq)
    if not run.ended:
        return [entry(key, last, RunSnapshot(state=state_of(run).as_dict()))]
    # One that could not be gone on with has no event under its last epoch.
    last = last._replace(seq=max(last.seq, 1))
    before = Cursor(last.epoch, max(last.seq - 1, 0))
    return [entry(key, before, RunSnapshot(state=state_of(run).as_dict())), entry(key, last, ending_of(run))]


def ending_of(run: Run) -> RunFinished:
    """The terminal event, as it was told."""
    money = stored_money(run)
    return RunFinished(
        status=cast(EndStatus, run.status),
        usage=msgspec.convert(run.usage or {}, UsageFigures),
        cost=msgspec.convert(money, Money) if money else None,
        ttft_ms=run.ttft_ms,
        duration_ms=run.duration_ms or 0,
        tokens_per_second=run.tokens_per_second,
        error=msgspec.convert(run.error, ErrorFacts) if run.error else msgspec.UNSET,
        stop_receipt=msgspec.convert(run.stop_receipt, StopReceipt) if run.stop_receipt else msgspec.UNSET,
    )
