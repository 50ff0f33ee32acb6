"""What a tool is told about its call, and what it may ask of whoever runs it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any, Final, Protocol

from msgspec import Struct

from tools.exceptions import ToolCancelled, ToolTimedOut

NOTE_CHARACTERS: Final = 200
_LONGEST_NAP_SECONDS: Final = 0.1
"""How late a `wait` may notice that it was stopped."""


class Caller(Struct, frozen=True):
    """For whom the model calls: plain values, so that tools know no user model."""

    user_id: str = ""
    groups: frozenset[str] = frozenset()
    is_staff: bool = False


class Files(Protocol):
    def add(self, name: str, media_type: str, content: bytes | Path) -> str:
        """Hands over a file that the tool has made; returns the id under which it is kept. A path is read at once."""
        ...


class Cache(Protocol):
    """Keeps JSON-able values for all invocations. What fails to keep one has simply forgotten it: it never raises."""

    def get(self, key: str) -> Any:
        """None where there is nothing."""
        ...

    def set(self, key: str, value: Any, seconds: float | None = None) -> None:
        """For `seconds`, or as long as the site keeps such values."""
        ...


@dataclass
class MemoryCache:
    """Forgets nothing; for tests and for tools that are called by hand."""

    kept: dict[str, Any] = field(default_factory=dict)

    def get(self, key: str) -> Any:
        return self.kept.get(key)

    def set(self, key: str, value: Any, seconds: float | None = None) -> None:
        self.kept[key] = value


@dataclass
class MemoryFiles:
    """For tests and for tools that are called by hand: name, media type and bytes of each file."""

    added: list[tuple[str, str, bytes]] = field(default_factory=list)

    def add(self, name: str, media_type: str, content: bytes | Path) -> str:
        self.added.append((name, media_type, content.read_bytes() if isinstance(content, Path) else content))
        return f"file-{len(self.added)}"


def _unreported(fraction: float | None, note: str) -> None:
    pass


def _never() -> bool:
    return False


@dataclass(frozen=True)
class ToolContext:
    """Tools that want it declare a parameter of this type; it is no part of their schema.

    `report` and `is_cancelled` are called from the tool's thread, often: they must return within milliseconds and
    not raise. `deadline` is a moment of `clock`.
    """

    invocation_id: str = ""
    caller: Caller = field(default_factory=Caller)
    deadline: float = inf
    report: Callable[[float | None, str], None] = _unreported
    is_cancelled: Callable[[], bool] = _never
    files: Files = field(default_factory=MemoryFiles)
    cache: Cache = field(default_factory=MemoryCache)
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    @property
    def cancelled(self) -> bool:
        return self.is_cancelled()

    def seconds_left(self) -> float:
        return self.deadline - self.clock()

    def check(self) -> None:
        """
        Raises:
            ToolCancelled, ToolTimedOut: nobody waits for the result any more.
        """
        if self.cancelled:
            raise ToolCancelled
        if self.seconds_left() <= 0:
            raise ToolTimedOut

    def progress(self, fraction: float | None, note: str = "") -> None:
        """Tells how far the tool is: from 0 to 1, None where that is not known.

        Raises:
            ToolCancelled, ToolTimedOut: as `check`, after telling.
        """
        self.report(None if fraction is None else min(1.0, max(0.0, fraction)), note[:NOTE_CHARACTERS])
        self.check()

    def wait(self, seconds: float) -> None:
        """Sleeps, for tools that are `def`; an `async def` tool awaits `asyncio.sleep`.

        Raises:
            ToolCancelled, ToolTimedOut: as `check`, as soon as it is so.
        """
        end = self.clock() + seconds
        self.check()
        while (left := end - self.clock()) > 0:
            self.sleep(min(left, _LONGEST_NAP_SECONDS))
            self.check()

    def limited(self, seconds: float) -> "ToolContext":
        """The same call with at most so many seconds from now."""
        return replace(self, deadline=min(self.deadline, self.clock() + seconds))
