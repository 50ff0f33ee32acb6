"""Calls inside of a call: `multi_tool_use.parallel`, a tool of OpenAI's own making that escapes now and then.

`{"tool_uses": [{"recipient_name": "functions.x", "parameters": {...}}]}`, named `multi_tool_use.parallel` in Chat
Completions and `parallel` in Responses (https://github.com/vercel/ai/issues/19067). Decoders tell it as it is on
the wire: they do not know which tools there are, and a tool may well be called so.
"""

import json
from collections.abc import Container
from typing import Any, Final

from chat.llm.deltas import ToolCallReady

WRAPPERS: Final = ("multi_tool_use.parallel", "multi_tool_use_parallel", "parallel")
_PREFIX: Final = "functions."


def unwrapped(call: ToolCallReady, declared: Container[str]) -> list[ToolCallReady]:
    """The calls that this one stands for; itself, unless it is a wrapper and no declared tool has its name.

    They have the wrapper's slot, and ids made of its id and their number from 1. To the provider they are parallel
    calls as any others.
    """
    if call.name not in WRAPPERS or call.name in declared:
        return [call]
    inner = _inner(call.arguments)
    return [
        ToolCallReady(call.slot, f"{call.id}_{number}", name, arguments, call.opaque)
        for number, (name, arguments) in enumerate(inner, start=1)
    ] or [call]


def _inner(arguments: str) -> list[tuple[str, str]]:
    """Names and arguments; none at all if any of it is not as it should be."""
    try:
        uses = json.loads(arguments)["tool_uses"]
        return [_use(use) for use in uses]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


def _use(use: dict[str, Any]) -> tuple[str, str]:
    name, parameters = use["recipient_name"], use.get("parameters")
    if not isinstance(name, str) or not isinstance(parameters, dict | None):
        raise TypeError
    return name.removeprefix(_PREFIX), json.dumps(parameters or {}, ensure_ascii=False)
