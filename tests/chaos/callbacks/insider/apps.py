"""Tells from within what nobody sees from outside: the tasks of the event loop, and Celery's."""

import asyncio
import json
import os
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery.worker import state
from django.apps import AppConfig

ASK = signal.SIGRTMIN + 3


class Insider(AppConfig):
    name = "tests.chaos.callbacks.insider"

    def ready(self) -> None:
        if folder := os.environ.get("INSIDE"):
            signal.signal(ASK, lambda *_: _tell(Path(folder)))


def _tell(folder: Path) -> None:
    """On the main thread, which is the event loop's where there is one."""
    tasks: Counter[str] = Counter()
    with suppress(RuntimeError):  # no loop runs here
        tasks.update(_named(task) for task in asyncio.all_tasks())
    # An active one counts as reserved, too. The site's own clockwork is no tool's.
    calls = {
        name: sum(1 for request in requests if request.name.startswith("tools."))
        for name, requests in (("active", state.active_requests), ("reserved", state.reserved_requests))
    }
    said = {"tasks": tasks, **calls}
    half = folder / f"{os.getpid()}.half"
    half.write_text(json.dumps(said))
    half.rename(folder / f"{os.getpid()}.json")


def _named(task: "asyncio.Task[Any]") -> str:
    return getattr(task.get_coro(), "__qualname__", "?")
