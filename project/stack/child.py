"""One living process of a part: its pid file, its log, and an end that leaves nothing behind."""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from project.stack.identity import birth_of
from project.stack.part import Part

LOG_BYTES = 10_000_000
"""A log that is longer is put aside at the next start of its part, in the place of the one put aside before."""
PR_SET_PDEATHSIG = 1


class Child:
    def __init__(
        self, part: Part, process: asyncio.subprocess.Process, folder: Path, log_begins: int
    ) -> None:
        self.part = part
        self.pid = process.pid
        self._process = process
        self._folder = folder
        self._log_begins = log_begins

    @classmethod
    async def start(cls, part: Part, folder: Path) -> "Child":
        """Raises `OSError` where the command cannot be run."""
        with _log_of(part.name, folder).open("ab") as log:
            log_begins = log.tell()
            process = await asyncio.create_subprocess_exec(
                *map(str, part.command),
                cwd=part.folder,
                env={**os.environ, **part.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group of its own: Ctrl+C at the terminal is for the supervisor, and what a process that died
                # leaves behind (nginx's workers, for one) can be found.
                start_new_session=True,
                preexec_fn=_end_with_parent(),
                **part.runner,
            )
        _write_pid(part.name, folder, process.pid)
        return cls(part, process, folder, log_begins)

    @property
    def lives(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """Its exit code, negative for a signal; then nothing of its group is left, nor its pid file."""
        code = await self._process.wait()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        _forget_pid(self.part.name, self._folder)
        return code

    def last_words(self, lines: int = 3) -> str:
        """The end of what it wrote into its log."""
        with (self._folder / f"{self.part.name}.log").open("rb") as log:
            log.seek(self._log_begins)
            said = log.read(100_000).decode(errors="replace")
        return "\n".join([line for line in said.splitlines() if line.strip()][-lines:])

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)


def living_leftovers(folder: Path) -> dict[str, int]:
    """The parts that a stack which was killed has left running: those alone that are truly the processes it began."""
    found = {}
    for name, (pid, birth) in _births(folder).items():
        if birth and birth_of(pid) == birth:
            found[name] = pid
    return found


def _write_pid(name: str, folder: Path, pid: int) -> None:
    draft = folder / f"{name}.pid.new"
    draft.write_text(f"{pid}\n")
    draft.replace(folder / f"{name}.pid")
    _write_births(folder, {**_births(folder), name: (pid, birth_of(pid))})


def _forget_pid(name: str, folder: Path) -> None:
    (folder / f"{name}.pid").unlink(missing_ok=True)
    _write_births(folder, {other: value for other, value in _births(folder).items() if other != name})


def _births(folder: Path) -> dict[str, tuple[int, str]]:
    try:
        read = json.loads((folder / "processes.json").read_text())
        return {str(name): (int(pid), str(birth)) for name, (pid, birth) in read.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write_births(folder: Path, births: dict[str, tuple[int, str]]) -> None:
    draft = folder / "processes.json.new"
    draft.write_text(json.dumps(births))
    draft.replace(folder / "processes.json")


def _log_of(name: str, folder: Path) -> Path:
    log = folder / f"{name}.log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(folder / f"{name}.log.1")
    return log


def _end_with_parent() -> Callable[[], None] | None:
    """On Linux the kernel sends SIGTERM to the child when the supervisor is killed: web processes drain, workers
    finish, PostgreSQL waits for them. Elsewhere the next start finds them by their pid files."""
    if sys.platform != "linux":
        return None
    # Looked up here: between fork and exec as little as possible may happen.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
