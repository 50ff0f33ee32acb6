"""Small processes that stand for the parts of a stack, and a supervisor over them."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from project.stack.part import Part
from project.stack.supervisor import Supervisor

LOOP = "echo {name} >> {folder}/begun; while :; do sleep 0.02; done"
LIVE = f"trap 'echo {{name}} >> {{folder}}/ended; exit 0' TERM INT; {LOOP}"
"""Writes down its beginning and its end."""
STUBBORN = f"trap '' TERM INT; {LOOP}"
WITH_CHILD = "sleep 300 & echo $! > {folder}/child; wait"


AS_IN_A_TERMINAL = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp('sh', sys.argv[1:])"
)
"""Whoever begins with SIGINT ignored, as all in the background of a script, cannot trap it."""


def toy(name: str, folder: Path, script: str = LIVE, *, begins: int = 0, ends: int = 0, **more: Any) -> Part:
    shell = ["sh", "-c", script.format(name=name, folder=folder)]
    command = [sys.executable, "-SEc", AS_IN_A_TERMINAL, *shell]
    return Part(name=name, command=command, folder=folder, begins=begins, ends=ends, **more)


def lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def pid_of(name: str, folder: Path) -> int:
    return int((folder / f"{name}.pid").read_text())


async def until(condition, *, seconds: float = 20) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, "it did not come true"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def supervised(folder: Path, *parts: Part, **more: Any) -> AsyncIterator[tuple[Supervisor, list[str]]]:
    """Begun, once the toys have said so themselves; ended after."""
    said: list[str] = []
    supervisor = Supervisor(parts, folder, said.append, **more)
    try:
        assert await supervisor.start()
        yield supervisor, said
    finally:
        await supervisor.end()
