"""The events of a run without a word of what was written, as lines of JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

from chat.models import ModelCall, Run, ToolInvocation
from chat.usage.ledger import COUNTERS


def redacted_lines(
    run: Run, calls: Sequence[ModelCall], tools: Sequence[ToolInvocation]
) -> Iterator[dict[str, Any]]:
    """What rows tell of its events: types, times where they are known, lengths in place of texts."""
    yield {
        "type": "run.started",
        "at": run.created_at.isoformat(),
        "run": str(run.pk),
        "model": run.model_name,
    }
    for call in calls:
        yield _call_fact(call)
    for part in run.message.parts or ():
        yield _part_fact(part)
    for tool in tools:
        yield _tool_fact(tool)
    if run.finished_at is not None:
        yield {
            "type": "run.finished",
            "at": run.finished_at.isoformat(),
            "status": run.status,
            "usage": run.usage,
            "cost": None if run.cost is None else {"amount": f"{run.cost:f}", "currency": run.currency},
            "error": (run.error or {}).get("code"),
            "duration_ms": run.duration_ms,
            "ttft_ms": run.ttft_ms,
        }


def _call_fact(call: ModelCall) -> dict[str, Any]:
    names = ("step", "epoch", "attempt", "provider", "model", "outcome", "finish_reason", "http_status")
    figures = ("queue_ms", "connect_ms", "ttft_ms", "duration_ms", *COUNTERS)
    return {
        "type": "model.call",
        "at": call.started_at.isoformat(),
        **{name: getattr(call, name) for name in (*names, *figures)},
    }


def _part_fact(part: dict[str, Any]) -> dict[str, Any]:
    """Of a part only what kind it is and how long."""
    fact: dict[str, Any] = {"type": f"part.{part.get('type', '')}", "at": None}
    for name in ("text", "arguments", "result"):
        if name in part:
            value = part[name]
            fact[f"{name}_characters"] = len(value) if isinstance(value, str) else len(str(value))
    for name in ("invocation", "status"):
        if name in part:
            fact[name] = str(part[name])
    return fact


def _tool_fact(tool: ToolInvocation) -> dict[str, Any]:
    times = ("created_at", "decided_at", "dispatched_at", "started_at", "finished_at")
    found = {name: getattr(tool, name) for name in times}
    return {
        "type": "tool",
        "at": tool.created_at.isoformat(),
        "invocation": str(tool.pk),
        **{name: getattr(tool, name) for name in ("name", "step", "kind", "status", "attempts", "decision")},
        **{name: value.isoformat() for name, value in found.items() if value is not None},
    }
