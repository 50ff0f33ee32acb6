"""What a stack that was killed has left running is ended before the next one begins."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from project.stack.child import living_leftovers
from project.stack.refused import Refused

LAST = ("redis", "postgres")
"""The others need them to end well."""
GRACE_SECONDS = 20.0


def end_leftovers(folder: Path, say: Callable[[str], None], *, grace_seconds: float = GRACE_SECONDS) -> None:
    found = living_leftovers(folder)
    if found:
        say(f"An earlier stack was killed. Ending what it left: {', '.join(sorted(found))} …")
    for names in ([name for name in found if name not in LAST], LAST):
        _end({name: found[name] for name in names if name in found}, folder, grace_seconds)
    for file in (*folder.glob("*.pid"), folder / "processes.json"):
        if file.name != "stack.pid":
            file.unlink(missing_ok=True)


def _end(pids: dict[str, int], folder: Path, grace_seconds: float) -> None:
    for name, pid in pids.items():
        _send(pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
    give_up_at = time.monotonic() + grace_seconds
    while alive := {name: pid for name, pid in living_leftovers(folder).items() if name in pids}:
        if time.monotonic() > give_up_at:
            for pid in alive.values():
                _send(pid, signal.SIGKILL)
            give_up_at = time.monotonic() + 1
        time.sleep(0.05)


def _send(pid: int, number: signal.Signals) -> None:
    """Raises `Refused` where we may not."""
    try:
        _signal(pid, number)
    except PermissionError:
        raise Refused(
            f"Process {pid} of an earlier stack still runs, and belongs to somebody else. End it first."
        ) from None


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if number == signal.SIGKILL:
            # Each part leads a group of its own.
            os.killpg(pid, number)
        os.kill(pid, number)
