"""The contract of an event log: the truth of a running answer. tests/events runs one suite over all backends."""

from collections.abc import Callable
from typing import Protocol

from chat.events.codec import Cursor, Entry
from chat.events.fold import RunState
from chat.events.run_events import RunEvent


class FellBehind(Exception):
    """The log no longer has what comes after this reader's cursor: it needs a snapshot."""


class UnknownRun(KeyError):
    """The log does not know the run: not yet, or no longer. The database does."""


class Feed(Protocol):
    """One reader's place in one run. It is pulled, so a slow reader costs nothing but its place."""

    cursor: Cursor

    def take(self, most: int) -> list[Entry]:
        """The next entries, at most `most`; none where the reader is at the end, or the log still looks for the run.

        Raises:
            FellBehind: the entries after the cursor are gone, or the run is made elsewhere from here on.
            UnknownRun: the log has looked, and does not know the run.
        """

    @property
    def done(self) -> bool:
        """The run has ended and everything was taken."""

    @property
    def moved(self) -> bool:
        """Nothing will be added and nobody woken any more; the `take` after the last entry says where to look."""

    @property
    def late(self) -> bool:
        """The database may be ahead: the run is made by another process, and nothing was heard of it for a while."""

    @property
    def backlog(self) -> int:
        """Entries that are there and were not taken yet."""

    def close(self) -> None:
        """Stops the wake-ups. May be called twice."""


class EventLog(Protocol):
    """Single writer per run and epoch, any number of readers. All methods belong to the event loop."""

    @property
    def delayed(self) -> bool:
        """What runs of other processes tell does not arrive here, or ours not there."""

    @property
    def told(self) -> int:
        """Events that were appended here, since the start."""

    @property
    def told_bytes(self) -> int:
        """The bytes of those."""

    def unwritten(self) -> tuple[int, int]:
        """How many runs made here have something that other processes cannot read yet, and how many events."""

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """`changed` is called when `delayed` has changed; what is returned ends that."""

    def start(self) -> None:
        """Starts the background work, if there is any."""

    async def aclose(self) -> None:
        """Sends what is still to be sent, and lets go of everything."""

    def begin(self, run: str, epoch: int, state: RunState) -> None:
        """Claims the run's log. `state` is what has been told so far; the log folds every event into it.

        Raises:
            StaleEpoch: a newer epoch has written already.
        """

    def append(self, run: str, epoch: int, event: RunEvent) -> Cursor:
        """Numbers, folds, keeps and announces one event; never blocks.

        Raises:
            StaleEpoch: a newer epoch has written already. A log of many processes may learn so a moment later.
        """

    def end(self, run: str, epoch: int) -> None:
        """Nothing more will come; the log may forget the run after its time."""

    def let_go(self, run: str, epoch: int) -> None:
        """Nothing more will come under this epoch. Another one goes on, here or elsewhere; readers wait for it."""

    def forget_old(self) -> None:
        """To be called now and then: an idle process shall not keep what is over."""

    def follow(self, run: str, after: Cursor | None, wake: Callable[[], None]) -> Feed:
        """Opens a feed after a cursor (None: from the first event). `wake` is called when there is something new.

        A log that has to look elsewhere for the run raises later, from the feed's `take`; it wakes the reader then.

        Raises:
            FellBehind: the log does not have that cursor (trimmed, or beyond the end of its epoch).
            UnknownRun: the log does not know the run.
        """

    def follow_from_snapshot(self, run: str, wake: Callable[[], None]) -> tuple[Entry, Feed]:
        """A `run.snapshot` entry and a feed that goes on after it, taken at one instant. For who fell behind.

        Raises:
            UnknownRun: the log does not know the run, or not enough of it.
        """
