"""Real `celery` processes, and what their tasks wrote down (tests/project/chores.py)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery import Celery

from project.broker import celery_url, transport_options
from project.celery import Application
from tests.live import ROOT, LiveSite

PATIENCE_SECONDS = 80.0
CELERY = Path(sys.executable).with_name("celery")


def wait_for(what: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    give_up_at = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.02)
    return found


@dataclass
class Notes:
    file: Path

    def lines(self, what: str = "", name: str = "") -> list[dict[str, Any]]:
        if not self.file.exists():
            return []
        lines = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [n for n in lines if what in {"", n["what"]} and name in {"", n.get("name")}]

    def wait(self, what: str, name: str = "", count: int = 1) -> list[dict[str, Any]]:
        wait_for(lambda: len(self.lines(what, name)) >= count)
        return self.lines(what, name)


def sender(redis_url: str) -> Celery:
    """As a web process sends: the site's configuration, on this Redis."""
    app = Application("sender", set_as_current=False, fixups=[])
    app.config_from_object("django.conf:settings", namespace="CELERY")
    url = celery_url(redis_url)
    app.conf.update(broker_url=url, broker_transport_options=transport_options(url, task_seconds=600))
    return app


@dataclass
class Process:
    """`celery -A project <words>` on the data of a site."""

    site: LiveSite
    words: list[str]
    ready: str
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> "Process":
        self.log_file = self.site.folder / f"{self.words[0]}-{time.monotonic_ns()}.log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [CELERY, "-A", "project", *self.words],
                cwd=ROOT,
                env={**self.site.environment(), **self.environment},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        return self

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until_ready(self) -> "Process":
        def is_ready() -> bool:
            assert self.process.poll() is None, self.log
            return self.ready in self.log

        wait_for(is_ready)
        return self

    def tell(self, what: signal.Signals = signal.SIGTERM) -> None:
        os.kill(self.pid, what)

    def wait(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """With its children, which the kernel ends where it can."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def worker(site: LiveSite, queues: str, pool: str, *more: str, **environment: str) -> Process:
    words = ["worker", "-Q", queues, "-P", pool, "-I", "tests.project.chores", *more]
    return Process(site, words, "worker ready", environment)


def beat(site: LiveSite, **environment: str) -> Process:
    words = ["beat", "-S", "tests.project.chores:QuickScheduler", "--max-interval", "1"]
    return Process(site, words, "clock starts", environment)


@contextmanager
def running(*processes: Process) -> Iterator[None]:
    """Starts them at the same time; what is left of them at the end is killed."""
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.wait_until_ready()
        yield
    finally:
        for process in processes:
            process.kill()
