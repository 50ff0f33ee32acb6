"""What takes the database away for a while, and gives it back."""

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.postgres import Postgres


@dataclass
class Monkey:
    """`ways`: each takes it away when it is entered. `away` has when it was gone, by the monotonic clock."""

    ways: "dict[str, Callable[[], Iterator[None]]]"
    away: list[tuple[str, float, float]] = field(default_factory=list)

    def play(self, seconds: float) -> None:
        """Takes it away once, for so long."""
        name = list(self.ways)[len(self.away) % len(self.ways)]
        gone = contextmanager(self.ways[name])
        began = time.monotonic()
        with gone():
            time.sleep(seconds)
        self.away.append((name, began, time.monotonic()))

    def was_away(self, since: float, until: float) -> bool:
        """All of that time."""
        return any(began <= since and until <= ended for _, began, ended in self.away)


def on_sqlite(file: Path) -> Monkey:
    def locked() -> Iterator[None]:
        line = sqlite3.connect(file, isolation_level=None, timeout=30)
        try:
            line.execute("BEGIN EXCLUSIVE")
            yield
            line.execute("ROLLBACK")
        finally:
            line.close()

    return Monkey({"locked": locked})


def on_postgresql(server: Postgres) -> Monkey:
    def stopped(how: signal.Signals) -> Iterator[None]:
        server.stop(how)
        yield
        server.start()

    def frozen() -> Iterator[None]:
        """As a machine whose disk hangs: lines stay open, nothing answers."""
        first = psutil.Process(server.pid)
        processes = [first.pid, *(one.pid for one in first.children(recursive=True))]
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        yield
        for pid in processes:
            os.kill(pid, signal.SIGCONT)

    return Monkey(
        {
            "stopped": lambda: stopped(signal.SIGINT),
            "killed": lambda: stopped(signal.SIGQUIT),
            "frozen": frozen,
        }
    )


def pause(chance: random.Random) -> float:
    """Seconds in which it is left alone."""
    return chance.uniform(2, 6)


def absence(chance: random.Random, most_seconds: float) -> float:
    return chance.uniform(min(1.0, most_seconds), most_seconds)
