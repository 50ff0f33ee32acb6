"""The composition root: the one place that builds what works together, with the figures of the settings."""

import asyncio
from uuid import UUID

from django.conf import settings

from chat.demo import start_demo_upstream
from chat.engine.database import DatabaseThreads
from chat.engine.heartbeat import register
from chat.models import Node
from chat.telemetry import lines
from chat.wiring.runtime import Runtime as Runtime  # the name that others import
from chat.wiring.sending import line_of_process, send_tool

_runtime: Runtime | None = None
_starting: asyncio.Lock | None = None


def tell_of_tool(run: str) -> None:
    """The row of one of the run's tool invocations has changed: whoever makes the run should look. From any thread."""
    if _runtime is not None:
        _runtime.tool_changed(run)
    elif settings.REDIS_URL:
        line_of_process().hint("tool.changed", run=run)


def tell_of_answer(run: str, parked: bool) -> None:
    """One of the run's tool invocations has its result; a parked run is free for who takes it up. From any thread."""
    if not parked:
        tell_of_tool(run)
    elif _runtime is not None:
        _runtime.woken(UUID(run))
    elif settings.REDIS_URL:
        line_of_process().hint("runs.free")


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
            _runtime = Runtime(node, database, await start_demo_upstream(), send_tool=send_tool)
            # What it begins lives on: its lines are not about the request or socket that may have come first.
            lines.apart(_runtime.start)
    return _runtime


async def shutdown(grace_seconds: float) -> None:
    """Ends or hands over the runs, then stops everything `startup` has started."""
    global _runtime, _starting
    if _runtime is not None:
        await _runtime.stop(grace_seconds)
    _runtime, _starting = None, None
