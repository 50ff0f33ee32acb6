"""What the demo upstream has seen, for tests that ask whether a call was really closed."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field


@dataclass
class Stats:
    """Times are the machine's monotonic clock in seconds: comparable between processes on Linux and macOS.

    A call is open from its request to the last byte of its answer. `disconnects` counts those that the
    client left before that.
    """

    open: int = 0
    total: int = 0
    deltas: int = 0
    disconnects: int = 0
    last_opened_at: float | None = None
    last_closed_at: float | None = None
    last_disconnected_at: float | None = None
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def opened(self) -> None:
        self.open += 1
        self.total += 1
        self.last_opened_at = self.clock()

    def closed(self, *, by_client: bool) -> None:
        self.open -= 1
        self.last_closed_at = self.clock()
        if by_client:
            self.disconnects += 1
            self.last_disconnected_at = self.last_closed_at

    def as_json(self) -> dict[str, float | int | None]:
        facts = asdict(self)
        del facts["clock"]
        return {**facts, "now": self.clock()}
