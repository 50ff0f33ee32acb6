"""How many frames without a message of its own a peer may send; no server of ours counts them itself."""

from collections.abc import Callable

# A browser sends one pong for each of our pings, and none on its own.
MAX_CONTROL_FRAMES = 60
CONTROL_SECONDS = 10.0
# A message has at most 128 kB; browsers send it in one frame, proxies may cut it at some kB.
MAX_FRAGMENTS = 1000


class FrameLimits:
    """Counts for one connection. Each method returns whether the peer is still within bounds."""

    __slots__ = ("_clock", "_control_frames", "_fragments", "_since")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._control_frames = 0
        self._fragments = 0

    def control_frame(self) -> bool:
        """Pings, pongs and close frames: 60 in ten seconds."""
        now = self._clock()
        if now - self._since >= CONTROL_SECONDS:
            self._since, self._control_frames = now, 0
        self._control_frames += 1
        return self._control_frames <= MAX_CONTROL_FRAMES

    def begin_message(self) -> None:
        self._fragments = 0

    def fragment(self) -> bool:
        """Frames of one message: 1,000, the first included."""
        self._fragments += 1
        return self._fragments <= MAX_FRAGMENTS
