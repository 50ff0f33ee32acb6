"""Calls a built-in tool as a worker does: by name, with JSON, in a thread of its own."""

import asyncio
import json
from typing import Any

from tools.context import Caller, ToolContext
from tools.discovery import installed
from tools.runner import ToolOutcome, run


def call_here(name: str, context: ToolContext | None = None, **arguments: Any) -> ToolOutcome:
    tool = installed().find(name, Caller())
    return run(tool, json.dumps(arguments), context or ToolContext())


async def call(name: str, context: ToolContext | None = None, **arguments: Any) -> ToolOutcome:
    return await asyncio.to_thread(call_here, name, context, **arguments)
