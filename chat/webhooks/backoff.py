"""When a delivery is tried again, and when it is given up. Pure."""

from collections.abc import Callable
from typing import Final

MINUTE, HOUR = 60.0, 3600.0
PAUSES: Final = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""After the first failure, the second, …: three days and some hours in all, a long week-end."""
MOST_ATTEMPTS: Final = len(PAUSES) + 1
JITTER: Final = 0.1
"""Up to so much more or less, so that what failed together does not come back together."""


def pause_seconds(
    attempts: int, *, asked_seconds: float | None, uniform: Callable[[float, float], float]
) -> float | None:
    """How long to wait after so many attempts; None: there are no more. `asked_seconds`: the receiver's `Retry-After`,
    which may make it longer, never shorter."""
    if attempts >= MOST_ATTEMPTS:
        return None
    planned = PAUSES[max(attempts, 1) - 1] * uniform(1 - JITTER, 1 + JITTER)
    return max(planned, asked_seconds or 0.0)
