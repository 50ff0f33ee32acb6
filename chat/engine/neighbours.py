"""Which processes of this machine are gone, as its kernel says: they need not be waited for until their lease ends.

Linux only (proc(5)); elsewhere no process has a birth, and the lease alone decides.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")

STATE: Final = 0
STARTED: Final = 19
"""Fields of /proc/<pid>/stat, counted from behind the name in parentheses: state (3), starttime (22)."""
DEAD: Final = {"Z", "X", "x"}


def birth_of(pid: int, proc: Path = PROC) -> str:
    """Says of a process which it is, among all that ever ran anywhere: `<place>:<pid>:<when it started>`.

    Its place is the boot of the machine and the namespace of its process ids, so that two containers are two places.
    "": this system does not tell.
    """
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        namespace = (proc / str(pid) / "ns/pid").stat().st_ino
        return f"{boot}/{namespace}:{pid}:{_stat(pid, proc)[STARTED]}"
    except (OSError, ValueError, IndexError):
        return ""


def place_of(birth: str) -> str:
    return birth.split(":", 1)[0]


def gone(births: Iterable[str], ours: str, proc: Path = PROC) -> list[str]:
    """Those that were born at our place and do not live any more. A stopped process is not gone."""
    here = place_of(ours)
    if not here or not (proc / "1").exists():
        # Without the first process in sight, others' processes are hidden from us (the mount option hidepid).
        return []
    return [birth for birth in births if place_of(birth) == here and not _lives(birth, proc)]


def _lives(birth: str, proc: Path) -> bool:
    _, pid, started = birth.split(":")
    try:
        stat = _stat(int(pid), proc)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True  # not for us to say
    return stat[STATE] not in DEAD and stat[STARTED] == started


def _stat(pid: int, proc: Path) -> list[str]:
    """Its fields from the third on; the name before them may hold anything."""
    return (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
