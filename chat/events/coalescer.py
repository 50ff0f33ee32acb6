"""Gathers text deltas while the event loop is busy. Without pressure everything passes at once."""

import re
from collections.abc import Iterable

from chat.conf import Coalescing
from chat.events.run_events import ReasoningDelta, RunEvent, TextDelta

_SENTENCE_END = re.compile(r"[.!?。！？\n]\s*$")

Growing = TextDelta | ReasoningDelta


class Coalescer:
    """Pure: the caller flushes when `window_ms` has passed since something was held back.

    Adjacent deltas of one kind that arrive together become one event, whatever the pressure: that costs no time.
    What is opaque closes the thought before it, so it passes as it came, in its place.
    """

    def __init__(self, limits: Coalescing) -> None:
        self._limits = limits
        self._kind: type[Growing] | None = None
        self._pieces: list[str] = []
        self._length = 0
        self._shown = False

    @property
    def holding(self) -> bool:
        return self._kind is not None

    def add(self, events: Iterable[RunEvent], *, hold: bool) -> list[RunEvent]:
        """The events to tell now, in order. With `hold`, a growing text may wait for more of it."""
        out: list[RunEvent] = []
        for event in events:
            if isinstance(event, TextDelta) or (isinstance(event, ReasoningDelta) and event.opaque is None):
                if self._kind is not type(event):
                    out += self.flush()
                    self._kind = type(event)
                self._pieces.append(event.text)
                self._length += len(event.text)
            else:
                out += self.flush()
                out.append(event)
        if self._kind is not None and not (hold and self._may_wait()):
            out += self.flush()
        return out

    def flush(self) -> list[RunEvent]:
        if self._kind is None:
            return []
        event = self._kind("".join(self._pieces))
        self._kind, self._pieces, self._length, self._shown = None, [], 0, True
        return [event]

    def _may_wait(self) -> bool:
        # The first text of an answer is never held back.
        if not self._shown or self._length >= self._limits.characters:
            return False
        return _SENTENCE_END.search(self._pieces[-1]) is None
