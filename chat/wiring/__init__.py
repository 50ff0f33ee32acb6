"""The composition root: the one place that builds what works together, with the figures of the settings."""

import asyncio

from django.conf import settings

from chat.demo import start_demo_upstream
from chat.engine.database import DatabaseThreads
from chat.engine.heartbeat import register
from chat.models import Node
from chat.telemetry import lines
from chat.wiring.runtime import Runtime as Runtime  # the name that others import

_runtime: Runtime | None = None
_starting: asyncio.Lock | None = None


def runtime() -> Runtime:
    """The running process's parts. `startup` must have been called on its event loop."""
    if _runtime is None:
        raise RuntimeError("chat.wiring.startup() has not been called")
    return _runtime


def running() -> Runtime | None:
    """None in a process that makes no runs: a management command, or a server before its first visitor."""
    return _runtime


async def startup() -> Runtime:
    """Builds and starts everything on the running loop; a second call returns what runs."""
    global _runtime, _starting
    _starting = _starting or asyncio.Lock()
    async with _starting:
        if _runtime is None:
            database = DatabaseThreads(settings.DATABASE_THREADS)
            node = await database(register, Node.Kind.WEB)
            _runtime = Runtime(node, database, await start_demo_upstream())
            # What it begins lives on: its lines are not about the request or socket that may have come first.
            lines.apart(_runtime.start)
    return _runtime


async def shutdown(grace_seconds: float) -> None:
    """Ends or hands over the runs, then stops everything `startup` has started."""
    global _runtime, _starting
    if _runtime is not None:
        await _runtime.stop(grace_seconds)
    _runtime, _starting = None, None
