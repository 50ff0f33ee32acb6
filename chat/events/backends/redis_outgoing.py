"""What one run still has to say to its stream. Pure: makes commands, hears what became of them."""

from collections.abc import Callable
from typing import Final

import msgspec

from chat.conf import StreamLimits
from chat.events.backends.redis_wire import BODY, CLAIM, STATE, EventCommand, command
from chat.events.backends.run_log import RunLog
from chat.events.codec import Cursor

EVENTS_AT_ONCE: Final = 1000
_encode = msgspec.json.Encoder().encode


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
        self._event = EventCommand(self.key)
        self._start = log.starts[-1]
        self._place, self._dropped, self._needs_state = self._start, log.dropped, False
        """How far the stream is: up to which place, what was dropped from it, and whether it lacks what came before."""
        self._next = (self._place, self._dropped, self._needs_state)
        log.waiting.add(self)

    def wake(self) -> None:
        self._touch(self)

    def close(self) -> None:
        self.log.waiting.discard(self)

    @property
    def waiting(self) -> bool:
        return self.log.end > self._place or not self.claimed

    @property
    def behind(self) -> int:
        """Events of the log that the stream lacks."""
        return self.log.end - self._place

    @property
    def complete(self) -> bool:
        """The run is over here, and the stream has all of it."""
        return self.log.ended_at is not None and not self.waiting

    def found(self, top: Cursor | None) -> None:
        """The last entry of the stream, none of a newer epoch. What it has lost is sent again from memory."""
        self.unsure = False
        self.claimed = top is not None and top.epoch == self.epoch
        if top is not None and self.claimed:
            self._place = self._start + top.seq
        elif self._place > self._start:
            # All of it is gone. What is told from now on matters, and where it begins.
            self._needs_state = True

    def broken(self) -> None:
        """Some of it may have been written, with holes."""
        self.unsure = self._needs_state = True

    def accepted(self) -> None:
        self.claimed = True
        self._place, self._dropped, self._needs_state = self._next

    def commands(self) -> list[bytes]:
        """What to send next; `accepted` when all of it was."""
        log, place = self.log, self._place
        if self.claimed and not self._needs_state and log.dropped == self._dropped:
            bodies = log.read(place, EVENTS_AT_ONCE)
            made = self._events(bodies, place)
            self._next = (place + len(bodies), self._dropped, False)
        else:
            made = self._irregular()
        if not self.claimed or (log.ended_at is not None and self._next[0] == log.end):
            made.append(command("EXPIRE", self.key, self._limits.keep_seconds))
        return made

    def _irregular(self) -> list[bytes]:
        """Claims, begins anew, and takes from the stream what memory has dropped."""
        log, place, needs_state = self.log, self._place, self._needs_state
        made: list[bytes] = []
        # The last event comes after a state, so that every reader hears the end as such.
        state_place = log.end - (1 if log.finished else 0)
        outgrown = log.dropped > self._dropped or place < log.dropped
        place = max(place, log.dropped)
        if needs_state and (state_place > place or not self.claimed):
            made += self._begin_anew(state_place)
            place, needs_state, outgrown = state_place, False, False
        elif not self.claimed:
            made.append(self._claim())
        outgrown = outgrown and state_place > place
        bodies = log.read(place, log.end - place if outgrown else EVENTS_AT_ONCE)
        events = self._events(bodies, place)
        if outgrown:
            at = state_place - place - 1
            events[at] = self._entry(state_place, BODY, bodies[at], STATE, self._state())
            events.append(command("XTRIM", self.key, "MINID", str(log.cursor_before(log.dropped + 1))))
        self._next = (place + len(bodies), log.dropped, needs_state)
        return made + events

    def _claim(self, *more: bytes) -> bytes:
        """From its entry on, Redis refuses every older epoch. Only a claim makes a stream that is not there."""
        entries = self._limits.earlier_entries
        return command("XADD", self.key, "MAXLEN", "~", entries, f"{self.epoch}-0", CLAIM, b"", *more)

    def _begin_anew(self, place: int) -> list[bytes]:
        state = self._state()
        if place == self._start:
            return [self._claim(STATE, state)]
        entry = self._entry(place, STATE, state)
        return [entry] if self.claimed else [self._claim(), entry]

    def _entry(self, place: int, *fields: bytes) -> bytes:
        """What stands in the stream for the event before a place."""
        return command("XADD", self.key, "NOMKSTREAM", f"{self.epoch}-{place - self._start}", *fields)

    def _events(self, bodies: list[bytes], place: int) -> list[bytes]:
        event, epoch = self._event, self.epoch
        first = place - self._start + 1
        return [event(b"%d-%d" % (epoch, seq), body) for seq, body in enumerate(bodies, start=first)]

    def _state(self) -> bytes:
        return _encode(self.log.state.as_dict())
