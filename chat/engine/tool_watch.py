"""What whoever makes a run knows of workers, to see which invocations nobody works on any more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chat.engine.invocations import Seen
from chat.engine.plan import OfferedTool

FIRST_DELIVERY_SECONDS = 5.0
"""Given out so long ago and claimed by nobody: the broker may have lost it, so it is given out again."""
MOST_DELIVERY_SECONDS = 60.0
"""Between two deliveries of one invocation: mostly all workers are only busy, and each waits in their queue."""
MOST_ATTEMPTS = 3
"""Whoever has broken three workers breaks the fourth one, too."""


def _ignored(_invocation: Seen) -> None:
    pass


@dataclass(frozen=True)
class ToolWatch:
    """`birth` is this process's, or "". `believes_silence`: whether a worker not heard of for a lease is dead, which
    nobody knows right after the database was away."""

    birth: str = ""
    lease_seconds: float = 5.0
    believes_silence: Callable[[], bool] = lambda: True
    told_end: Callable[[Seen], None] = _ignored
    """Called once with each invocation that has ended."""

    @property
    def lease(self) -> float | None:
        return self.lease_seconds if self.believes_silence() else None


@dataclass
class Deliveries:
    """When each invocation was given out, in this process's time, and when it is worth giving out again."""

    _next: dict[str, tuple[float, float]] = field(default_factory=dict)

    def given(self, key: str, now: float) -> None:
        self._next[key] = (now + FIRST_DELIVERY_SECONDS, FIRST_DELIVERY_SECONDS)

    def is_due_again(self, key: str, now: float) -> bool:
        """True once for each pause; the pauses double. One that was given out by somebody else counts from now."""
        if key not in self._next:
            self.given(key, now)
        at, pause = self._next[key]
        if now < at:
            return False
        pause = min(2 * pause, MOST_DELIVERY_SECONDS)
        self._next[key] = (now + pause, pause)
        return True


def may_run_again(seen: Seen, tools: Mapping[str, OfferedTool]) -> bool:
    """One that is not offered any more is not said to be idempotent."""
    tool = tools.get(seen.name)
    return tool is not None and tool.idempotent and seen.attempts <= min(tool.retries, MOST_ATTEMPTS - 1)
