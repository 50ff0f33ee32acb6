"""What one run still has to say to its stream. Pure: makes commands, hears what became of them."""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from chat.conf import StreamLimits
from chat.events.backends.redis_wire import BODY, CLAIM, STATE, Argument
from chat.events.backends.run_log import RunLog
from chat.events.codec import Cursor

EVENTS_AT_ONCE: Final = 1000
_encode = msgspec.json.Encoder().encode


class _Standing(msgspec.Struct, frozen=True):
    """How far the stream is: up to which place, what was dropped from it, and whether it lacks what came before."""

    place: int
    dropped: int
    needs_state: bool


def stream_key(run: str) -> str:
    return f"events:run:{run}"


class Outgoing:
    """A writer's place in a run's log, under one epoch.

    An entry that holds the run's state is a point where a reader can begin: written where what came before it is
    not in the stream, because Redis came back empty, or because the run has outgrown its bytes.
    """

    def __init__(self, log: RunLog, limits: StreamLimits, touch: Callable[["Outgoing"], None]) -> None:
        self.log = log
        self.epoch = log.epoch
        self.key = stream_key(log.run)
        self.claimed = False
        self.unsure = False
        """What stands in the stream has to be looked up before anything more is written."""
        self._limits = limits
        self._touch = touch
        self._start = log.starts[-1]
        self._standing = _Standing(self._start, log.dropped, needs_state=False)
        self._next = self._standing
        log.waiting.add(self)

    def wake(self) -> None:
        self._touch(self)

    def close(self) -> None:
        self.log.waiting.discard(self)

    @property
    def waiting(self) -> bool:
        return self.log.end > self._standing.place or not self.claimed

    @property
    def complete(self) -> bool:
        """The run is over here, and the stream has all of it."""
        return self.log.ended_at is not None and not self.waiting

    def found(self, top: Cursor | None) -> None:
        """The last entry of the stream, none of a newer epoch. What it has lost is sent again from memory."""
        self.unsure = False
        self.claimed = top is not None and top.epoch == self.epoch
        if top is not None and self.claimed:
            self._standing = replace(self._standing, place=self._start + top.seq)
        elif self._standing.place > self._start:
            # All of it is gone. What is told from now on matters, and where it begins.
            self._standing = replace(self._standing, needs_state=True)

    def broken(self) -> None:
        """Some of it may have been written, with holes."""
        self.unsure = True
        self._standing = replace(self._standing, needs_state=True)

    def accepted(self) -> None:
        self.claimed = True
        self._standing = self._next

    def commands(self) -> list[tuple[Argument, ...]]:
        """What to send next; `accepted` when all of it was."""
        log, standing = self.log, self._standing
        # The last event comes after a state, so that every reader hears the end as such.
        state_place = log.end - (1 if log.finished else 0)
        if standing.place < log.dropped:
            # Gone before they were sent.
            standing = replace(standing, place=log.dropped, dropped=-1)
        made: list[tuple[Argument, ...]] = []
        if standing.needs_state and (state_place > standing.place or not self.claimed):
            made += self._begin_anew(state_place)
            standing = _Standing(state_place, log.dropped, needs_state=False)
        elif not self.claimed:
            made.append(self._claim())
        outgrown = log.dropped > standing.dropped and state_place > standing.place
        most = log.end - standing.place if outgrown else EVENTS_AT_ONCE
        bodies = log.read(standing.place, most)
        made += self._events(bodies, standing.place, state_place if outgrown else None)
        if outgrown:
            made.append(("XTRIM", self.key, "MINID", str(log.cursor_before(log.dropped + 1))))
            standing = replace(standing, dropped=log.dropped)
        self._next = replace(standing, place=standing.place + len(bodies))
        if not self.claimed or (log.ended_at is not None and self._next.place == log.end):
            made.append(("EXPIRE", self.key, self._limits.keep_seconds))
        return made

    def _claim(self, *more: Argument) -> tuple[Argument, ...]:
        """From its entry on, Redis refuses every older epoch. Only a claim makes a stream that is not there."""
        entries = self._limits.earlier_entries
        return ("XADD", self.key, "MAXLEN", "~", entries, f"{self.epoch}-0", CLAIM, b"", *more)

    def _begin_anew(self, place: int) -> list[tuple[Argument, ...]]:
        state = self._state()
        if place == self._start:
            return [self._claim(STATE, state)]
        entry: tuple[Argument, ...] = ("XADD", self.key, "NOMKSTREAM", self._id_before(place), STATE, state)
        return [entry] if self.claimed else [self._claim(), entry]

    def _events(self, bodies: list[bytes], place: int, state_at: int | None) -> list[tuple[Argument, ...]]:
        """`state_at`: the place after the event that also holds the state."""
        made: list[tuple[Argument, ...]] = []
        prefix, first = f"{self.epoch}-", place - self._start + 1
        for seq, body in enumerate(bodies, start=first):
            made.append(("XADD", self.key, "NOMKSTREAM", f"{prefix}{seq}", BODY, body))
        if state_at is not None:
            at = state_at - place - 1
            made[at] = (*made[at], STATE, self._state())
        return made

    def _id_before(self, place: int) -> str:
        return f"{self.epoch}-{place - self._start}"

    def _state(self) -> bytes:
        return _encode(self.log.state.as_dict())
