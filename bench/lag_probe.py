"""A ticker on the server's own event loop: how long the loop was not free, and how much of that was its own work.

    python -m bench.lag_probe OUT serve --port 8000 …     our server, with the ticker on its loop
    python -m bench.lag_probe OUT                         a bystander: a process that does nothing else

SIGUSR1 writes what was seen to OUT, as JSON: gaps `[at, wall, cpu]` and collections `[at, seconds, generation]`, times
in seconds of the machine's monotonic clock, which all processes share.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

TICK_SECONDS = 0.001
WORTH_SECONDS = 0.002
"""Shorter gaps are not kept."""
MOST_KEPT = 200_000


class Ticker:
    """Asks to be called each millisecond; what is more than that is time in which nobody else was called either."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._gaps: list[tuple[float, float, float]] = []
        self._collections: list[tuple[float, float, int]] = []
        self._collecting_since = 0.0

    def start(self) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: self._write())
        gc.callbacks.append(self._collection)
        self._loop = asyncio.get_running_loop()
        self._last, self._cpu = time.monotonic(), time.thread_time()
        self._loop.call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        now, cpu = time.monotonic(), time.thread_time()
        gap = now - self._last - TICK_SECONDS
        if gap > WORTH_SECONDS and len(self._gaps) < MOST_KEPT:
            self._gaps.append((self._last, gap, cpu - self._cpu))
        self._last, self._cpu = now, cpu
        self._loop.call_later(TICK_SECONDS, self._tick)

    def _collection(self, phase: str, info: dict[str, Any]) -> None:
        now = time.monotonic()
        if phase == "start":
            self._collecting_since = now
        else:
            self._collections.append((now, now - self._collecting_since, info["generation"]))

    def _write(self) -> None:
        text = json.dumps({"gaps": self._gaps, "collections": self._collections})
        half = self._out.with_suffix(".half")
        half.write_text(text)
        half.rename(self._out)


def serve(ticker: Ticker, arguments: list[str]) -> None:
    """As manage.py, with the ticker started where the server settles down, which is on its loop."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from django.core.management import execute_from_command_line

    from project.servers import memory

    settle = memory.settle

    def settle_and_tick() -> None:
        settle()
        ticker.start()

    memory.settle = settle_and_tick
    execute_from_command_line(["manage.py", *arguments])


async def stand_by(ticker: Ticker) -> None:
    ticker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    told = Ticker(Path(sys.argv[1]))
    if sys.argv[2:]:
        serve(told, sys.argv[2:])
    else:
        asyncio.run(stand_by(told))
