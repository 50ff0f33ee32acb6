"""How much one socket may say: buckets that fill by the minute, and strikes for nonsense. Pure."""

from collections.abc import Callable


class Bucket:
    """A token bucket (as in RFC 2697's committed rate): `per_minute` on average, as many at once after a rest."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._size = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._left = self._size
        self._at = clock()

    def take(self) -> bool:
        now = self._clock()
        self._left = min(self._size, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Credit:
    """What a socket has been sent and has not acknowledged, over all its runs."""

    def __init__(self, most_events: int, most_bytes: int, clock: Callable[[], float]) -> None:
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._clock = clock
        self._owed: dict[str, list[tuple[tuple[int, int], int]]] = {}
        self._events = 0
        self._bytes = 0
        self._spent_at: float | None = None

    @property
    def room(self) -> int:
        """How many events may be sent now; at least one while nothing is owed, whatever its size."""
        if self._events == 0:
            return self._most_events
        if self._bytes >= self._most_bytes:
            return 0
        return max(0, self._most_events - self._events)

    def fits(self, size: int) -> bool:
        return self._events == 0 or (
            self._events < self._most_events and self._bytes + size <= self._most_bytes
        )

    def spend(self, run: str, cursor: tuple[int, int], size: int) -> None:
        owed = self._owed.setdefault(run, [])
        # A snapshot may go back; an acknowledgement of it is one of all that was sent before.
        for place in range(len(owed) - 1, -1, -1):
            if owed[place][0] <= cursor:
                break
            owed[place] = (cursor, owed[place][1])
        owed.append((cursor, size))
        self._events += 1
        self._bytes += size

    def blocked(self) -> None:
        """Something waits to be sent and does not fit; the debtor's time runs."""
        if self._spent_at is None:
            self._spent_at = self._clock()

    def acknowledge(self, run: str, cursor: tuple[int, int]) -> bool:
        """True: something was owed up to this cursor."""
        owed = self._owed.get(run)
        if not owed:
            return False
        paid = 0
        for sent, size in owed:
            if sent > cursor:
                break
            paid += 1
            self._bytes -= size
        if paid == 0:
            return False
        self._events -= paid
        del owed[:paid]
        if not owed:
            del self._owed[run]
        self._spent_at = None
        return True

    def forget(self, run: str) -> None:
        for _, size in self._owed.pop(run, ()):
            self._events -= 1
            self._bytes -= size
        self._spent_at = None

    @property
    def blocked_seconds(self) -> float:
        """How long something has been waiting that does not fit; 0 where nothing does."""
        return 0.0 if self._spent_at is None else self._clock() - self._spent_at

    def overdue(self, seconds: float) -> bool:
        return self.blocked_seconds > seconds
