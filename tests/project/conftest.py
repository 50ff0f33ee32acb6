"""The toy site as a process of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"is ready at http://127\.0\.0\.1:(\d+)/")


@dataclass
class Running:
    """A started command, its lines so far, and where it listens."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    port: int = 0
    reader: threading.Thread = field(init=False)
    _ready: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self.read, daemon=True)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if found := READY.search(line):
                self.port = int(found[1])
                self._ready.set()
        self._ready.set()

    def wait_until_ready(self) -> None:
        assert self._ready.wait(30), self.lines
        assert self.port, self.lines

    def end(self, number: signal.Signals) -> tuple[int, float]:
        """The exit code and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        code, seconds = self.process.wait(30), time.monotonic() - began
        self.reader.join(5)
        return code, seconds

    def wait_for_refusal(self) -> list[str]:
        """All it printed; it must have ended with exit code 1."""
        assert self.process.wait(30) == 1
        self.reader.join(5)
        return self.lines


Start = Callable[..., Running]


@pytest.fixture
def broker_at(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Celery's broker is at this URL for one test. The application keeps the lines it has, to wherever they lead."""
    from project.celery import app

    def forget_lines() -> None:
        app._pool = None  # type: ignore[attr-defined]  # unknown to the stubs
        app.amqp._producer_pool = None  # type: ignore[attr-defined]

    def at(url: str) -> None:
        # First, so that what it was is remembered: the application reads it through the settings.
        monkeypatch.setattr(app.conf, "broker_url", url)
        settings.CELERY_BROKER_URL = url
        forget_lines()

    yield at
    forget_lines()


@contextmanager
def toys(folder: Path) -> Iterator[Start]:
    """Starts toy sites with more words on the command line, and ends them; `environment` adds to the process's."""
    started: list[Running] = []

    def start(*words: str, environment: dict[str, str] | None = None) -> Running:
        running = Running(
            subprocess.Popen(
                [sys.executable, "-m", "tests.project.toy", *words],
                cwd=ROOT,
                env={**os.environ, "TOY_DATA_DIR": str(folder), **(environment or {})},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        started.append(running)
        running.reader.start()
        return running

    try:
        yield start
    finally:
        for running in started:
            running.process.kill()
            running.process.wait()
            assert running.process.stdout is not None
            running.reader.join(5)
            running.process.stdout.close()


@pytest.fixture
def start_toy(tmp_path: Path) -> Iterator[Start]:
    with toys(tmp_path) as start:
        yield start


SERVERS = ["daphne", "uvicorn"]


@pytest.fixture(params=SERVERS)
def toy(request: pytest.FixtureRequest, start_toy: Start) -> Running:
    """A test's own."""
    running = start_toy("--server", request.param, "--port", "0")
    running.wait_until_ready()
    return running


@pytest.fixture(scope="module", params=SERVERS)
def lasting_toy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """One for all tests of a file that leave it as it was."""
    with toys(tmp_path_factory.mktemp("toy")) as start:
        running = start("--server", request.param, "--port", "0")
        running.wait_until_ready()
        yield running
