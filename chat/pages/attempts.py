"""The calls that were made for one answer, from the ledger, as its details show them."""

from typing import Any

from chat.models import ModelCall, Run, ToolInvocation
from chat.pages.step_notes import reason
from chat.pages.tool_words import state_word

_ENDS = {
    "completed": "answered",
    "stopped": "stopped",
    "running": "under way",
    "lost": "lost with its server",
}


def made_steps(run: Run) -> list[dict[str, Any]]:
    """Step by step: what the model was asked, in which attempts, and the tools that it called then."""
    steps: dict[int, dict[str, Any]] = {}

    def of(number: int) -> dict[str, Any]:
        return steps.setdefault(number, {"number": number, "attempts": [], "tools": []})

    for attempt in made_attempts(run):
        of(attempt["step"])["attempts"].append(attempt)
    rows = run.invocations.defer("arguments", "result", "shown", "opaque").order_by("step", "position")
    for row in rows:
        of(row.step)["tools"].append(_tool(row))
    return [steps[number] for number in sorted(steps)]


def _tool(row: ToolInvocation) -> dict[str, Any]:
    waits_for = row.waits_for if row.status == ToolInvocation.Status.WAITING else ""
    return {
        "name": row.name,
        "end": state_word(row.status, waits_for).lower(),
        "failed": row.status in ("failed", "timed_out", "unknown"),
        "duration_ms": row.took_ms,
        "attempts": row.attempts,
    }


def made_attempts(run: Run) -> list[dict[str, Any]]:
    """In the order in which they were made; `times` are those that are known, with their names."""
    calls = run.model_calls.filter(purpose=ModelCall.Purpose.ANSWER).order_by(
        "started_at", "epoch", "attempt"
    )
    return [_attempt(call) for call in calls]


def _attempt(call: ModelCall) -> dict[str, Any]:
    times = {
        "queue": call.queue_ms or None,
        "connect": call.connect_ms,
        "first token": call.ttft_ms,
        "total": call.duration_ms,
    }
    return {
        "step": call.step,
        "model": f"{call.provider}/{call.model}",
        "answered": call.outcome == "completed",
        "end": _ENDS.get(call.outcome) or reason(call.outcome),
        "http_status": call.http_status if call.http_status and call.http_status >= 400 else None,
        "times": {name: ms for name, ms in times.items() if ms is not None},
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "usage_source": call.usage_source,
        "cost": None
        if call.cost is None
        else {"amount": f"{call.cost:f}", "currency": call.currency or "USD"},
    }
