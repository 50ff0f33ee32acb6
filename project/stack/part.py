"""What one process of the stack is: how it is started, how it is known to answer, how it is ended."""

import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Part:
    """`begins` and `ends` are stages: parts of one number together, the lowest number first."""

    name: str
    command: Sequence[str | Path]
    folder: Path
    begins: int
    ends: int
    answers: Callable[[], Awaitable[bool]] | None = None
    """Asked again and again after a start. None: it counts as begun as soon as it lives."""
    lives: Callable[[], Awaitable[bool]] | None = None
    """Asked now and then from then on: one that hangs is killed and started again. None: it is not asked."""
    where: str = ""
    """Its address, for the person who reads the list."""
    environment: Mapping[str, str] = field(default_factory=dict)
    end_signal: signal.Signals | None = None
    """None: the signal that the stack was sent. PostgreSQL takes SIGTERM for "when all have gone home"."""
    kill_signal: signal.Signals = signal.SIGKILL
    grace_seconds: float = 20.0
    runner: Mapping[str, Any] = field(default_factory=dict)
    """Arguments for `subprocess` that make it run as somebody else."""
