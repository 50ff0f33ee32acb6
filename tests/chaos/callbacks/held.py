"""What a process holds: tasks of its loop, tasks of Celery, sockets, files, threads, memory."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.chaos.callbacks.insider.apps import ASK
from tests.project.workers import wait_for


@dataclass(frozen=True)
class Held:
    tasks: int
    by_name: Mapping[str, int]
    active: int
    reserved: int
    sockets: int
    files: int
    threads: int
    megabytes: float

    def cells(self) -> list[str]:
        counted = (self.tasks, self.sockets, self.files, self.threads, self.active, self.reserved)
        return [*map(str, counted), f"{self.megabytes:.0f}"]


HEADS = ("tasks of the loop", "sockets", "files", "threads", "Celery: active", "reserved", "MB")


def held_by(pid: int, inside: Path) -> Held:
    answer = inside / f"{pid}.json"
    answer.unlink(missing_ok=True)
    os.kill(pid, ASK)
    wait_for(answer.exists)
    said = json.loads(answer.read_text())
    open_files = _open_files(pid)
    return Held(
        tasks=sum(said["tasks"].values()),
        by_name=said["tasks"],
        active=said["active"],
        reserved=said["reserved"],
        sockets=sum(1 for name in open_files if name.startswith("socket:")),
        files=len(open_files),
        threads=psutil.Process(pid).num_threads(),
        megabytes=psutil.Process(pid).memory_info().rss / 1e6,
    )


def _open_files(pid: int) -> Sequence[str]:
    names = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            names.append(str(file.readlink()))
        except FileNotFoundError:  # closed since
            continue
    return names


def grown(before: Held, after: Held, allowed: int) -> list[str]:
    """What there is more of than one may have."""
    pairs = {
        "tasks": (before.tasks, after.tasks),
        "sockets": (before.sockets, after.sockets),
        "files": (before.files, after.files),
        "threads": (before.threads, after.threads),
    }
    wrong = [f"{now} {what}, {was} before" for what, (was, now) in pairs.items() if now > was + allowed]
    if after.tasks > before.tasks + allowed:
        wrong.append(f"tasks of the loop: {dict(after.by_name)}")
    if after.reserved:
        wrong.append(f"{after.reserved} tasks of Celery")
    return wrong
