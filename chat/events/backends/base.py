"""The contract of an event log: the truth of a running answer. tests/events runs one suite over all backends."""

from collections.abc import Callable
from typing import Protocol

from chat.events.codec import Cursor, Entry
from chat.events.fold import RunState
from chat.events.run_events import RunEvent


class FellBehind(Exception):
    """The log no longer has what comes after this reader's cursor: it needs a snapshot."""


class Feed(Protocol):
    """One reader's place in one run. It is pulled, so a slow reader costs nothing but its place."""

    cursor: Cursor

    def take(self, most: int) -> list[Entry]:
        """The next entries, at most `most`; none where the reader is at the end.

        Raises:
            FellBehind: the entries after the cursor are gone.
        """

    @property
    def done(self) -> bool:
        """The run has ended and everything was taken."""

    def close(self) -> None:
        """Stops the wake-ups. May be called twice."""


class EventLog(Protocol):
    """Single writer per run and epoch, any number of readers. All methods belong to the event loop."""

    def begin(self, run: str, epoch: int, state: RunState) -> None:
        """Claims the run's log. `state` is what has been told so far; the log folds every event into it.

        Raises:
            StaleEpoch: a newer epoch has written already.
        """

    def append(self, run: str, epoch: int, event: RunEvent) -> Cursor:
        """Numbers, folds, keeps and announces one event; never blocks.

        Raises:
            StaleEpoch: a newer epoch has written already.
        """

    def end(self, run: str, epoch: int) -> None:
        """Nothing more will come under this epoch; the log may forget the run after its time."""

    def forget_old(self) -> None:
        """To be called now and then: an idle process shall not keep what is over."""

    def follow(self, run: str, after: Cursor | None, wake: Callable[[], None]) -> Feed:
        """Opens a feed after a cursor (None: from the first event). `wake` is called when there is something new.

        Raises:
            FellBehind: the log does not have that cursor (trimmed, or beyond the end of its epoch).
            KeyError: the log does not know the run.
        """

    def follow_from_snapshot(self, run: str, wake: Callable[[], None]) -> tuple[Entry, Feed]:
        """A `run.snapshot` entry and a feed that goes on after it, taken at one instant.

        Raises:
            KeyError: the log does not know the run.
        """
