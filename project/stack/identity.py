"""Whether a process is the one whose pid was written down: pids are given again."""

import subprocess
from functools import cache
from pathlib import Path

PROC = Path("/proc/self/stat")


def birth_of(pid: int) -> str:
    """When it began, in a form that only serves to be compared; "" where it lives no more."""
    if not PROC.exists():
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        return done.stdout.strip()
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # proc(5): the second field is the name in brackets, which may itself hold brackets; the 22nd is the start.
    state, *rest = stat[stat.rindex(")") + 2 :].split()
    return "" if state in {"Z", "X"} else f"{_boot()}:{rest[18]}"


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
