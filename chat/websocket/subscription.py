"""Following runs: which logs a reader is on, and what it is sent next. Serves WebSockets; knows nothing of them."""

from collections import deque
from collections.abc import Callable
from typing import cast
from uuid import UUID

import msgspec

from chat.engine.database import DatabaseThreads
from chat.engine.history import state_of, stored_money
from chat.events.backends.base import EventLog, Feed, FellBehind
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


class _Followed:
    """One run of one reader: entries made for it alone come first, then the log's."""

    def __init__(self, run: str, ready: dict[str, "_Followed"], wake: Callable[[], None]) -> None:
        self.run = run
        self.feed: Feed | None = None
        self.own: deque[Entry] = deque()
        self.over = False
        """Nothing will come but what is in `own`."""
        self._ready = ready
        self._wake = wake

    def wake(self) -> None:
        self._ready[self.run] = self
        self._wake()


class Subscriptions:
    """All runs one reader follows. Pulled: nothing is queued for a slow reader but its places in the logs.

    `wake` is called when `take` may have something.
    """

    def __init__(
        self, user: User, *, log: EventLog, database: DatabaseThreads, wake: Callable[[], None]
    ) -> None:
        self._user = user
        self._log = log
        self._database = database
        self._wake = wake
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
        stored = await self._database(self._stored, run)
        # From here on without waiting, so that what the log and the row say is of one instant.
        self.unfollow(key)
        followed = self._runs[key] = _Followed(key, self._ready, self._wake)
        try:
            followed.feed = self._log.follow(key, after, followed.wake)
        except FellBehind:
            snapshot, followed.feed = self._log.follow_from_snapshot(key, followed.wake)
            followed.own.append(snapshot)
        except KeyError:
            # Too long ago for the log, or not taken up by anybody yet.
            followed.own += _after(stored_entries(stored), after)
            followed.over = stored.ended
        followed.wake()

    def follow_started(self, run: str) -> bool:
        """Follows a run that this reader has just started, from its first event. False: the log does not know it."""
        if run in self._runs:
            return True
        followed = self._runs[run] = _Followed(run, self._ready, self._wake)
        if not self._join(followed):
            del self._runs[run]
            return False
        return True

    def unfollow(self, run: str) -> None:
        followed = self._runs.pop(run, None)
        self._ready.pop(run, None)
        if followed is not None and followed.feed is not None:
            followed.feed.close()

    def close(self) -> None:
        for run in list(self._runs):
            self.unfollow(run)

    @property
    def look_again_soon(self) -> bool:
        return any(one.feed is None and not one.over for one in self._runs.values())

    async def look_again(self) -> None:
        """The net under the wake-ups: runs that the log did not know may have been taken up, or have ended."""
        for followed in [one for one in self._runs.values() if one.feed is None and not one.over]:
            if self._join(followed):
                continue
            try:
                stored = await self._database(self._stored, UUID(followed.run))
            except NotFound:
                self.unfollow(followed.run)
                continue
            except StorageUnavailable:
                return
            if stored.ended and self._runs.get(followed.run) is followed and followed.feed is None:
                followed.own += stored_entries(stored)
                followed.over = True
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
            entries = self._entries(run, followed, room) if room > 0 and followed.feed is not None else []
            out += [(run, made) for made in entries]
            if len(entries) < room:
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
                followed = self._runs[run] = _Followed(run, self._ready, self._wake)
                followed.over = True
            followed.own.appendleft(made)
            self._ready[run] = followed

    def _join(self, followed: _Followed) -> bool:
        try:
            followed.feed = self._log.follow(followed.run, None, followed.wake)
        except FellBehind:
            snapshot, followed.feed = self._log.follow_from_snapshot(followed.run, followed.wake)
            followed.own.append(snapshot)
        except KeyError:
            return False
        followed.wake()
        return True

    def _entries(self, run: str, followed: _Followed, most: int) -> list[Entry]:
        assert followed.feed is not None  # noqa: S101  (asked by `take`)
        try:
            return followed.feed.take(most)
        except FellBehind:
            followed.feed.close()
            self._ready[run] = followed
            try:
                snapshot, followed.feed = self._log.follow_from_snapshot(run, followed.wake)
            except KeyError:
                # Forgotten meanwhile: `look_again` finds it in the database.
                followed.feed = None
                return []
            return [snapshot]

    def _stored(self, run: UUID) -> Run:
        stored = Run.objects.visible_to(self._user).select_related("message").filter(pk=run).first()
        if stored is None:
            raise NotFound
        return stored


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
