"""Starting, awaiting and ending the processes of a run."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60
STOP_SECONDS = 10


class ProcessFailed(Exception):
    """With the end of its log."""


class Processes:
    """Ends whatever it started, in reverse order, however the run goes. Logs lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[tuple[str, subprocess.Popen[bytes], IO[bytes]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, process, log in reversed(self._running):
            end(process)
            log.close()

    def start(self, name: str, *arguments: str, env: Mapping[str, str] | None = None) -> int:
        """Runs the interpreter with these arguments; returns the process id."""
        log = (self.folder / f"{name}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self._running.append((name, process, log))
        return process.pid

    def wait_for(self, name: str, port: int, path: str = "") -> None:
        """Until the port takes connections and, with a path, answers it with 200."""
        process = next(process for known, process, _ in self._running if known == name)
        deadline = time.monotonic() + READY_SECONDS
        while not answers(port, path):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ProcessFailed(f"{name} is not ready.\n{self.log(name)}")
            time.sleep(0.1)

    def log(self, name: str) -> str:
        lines = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-30:])


def answers(port: int, path: str) -> bool:
    try:
        if path:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        socket.create_connection(("127.0.0.1", port), 1).close()
    except (URLError, OSError):
        return False
    return True


def end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def run_once(
    *arguments: str, env: Mapping[str, str] | None = None, text: str = "", seconds: int = 300
) -> str:
    """Runs the interpreter to its end and returns what it printed. Raises `ProcessFailed`."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    if done.returncode:
        raise ProcessFailed(f"{' '.join(arguments)} ended with {done.returncode}.\n{done.stderr[-3000:]}")
    return done.stdout
