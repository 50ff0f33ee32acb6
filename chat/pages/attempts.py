"""The calls that were made for one answer, from the ledger, as its details show them."""

from typing import Any

from chat.models import ModelCall, Run
from chat.pages.step_notes import reason

_ENDS = {
    "completed": "answered",
    "stopped": "stopped",
    "running": "under way",
    "lost": "lost with its server",
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
        "model": f"{call.provider}/{call.model}",
        "answered": call.outcome == "completed",
        "end": _ENDS.get(call.outcome) or reason(call.outcome),
        "http_status": call.http_status if call.http_status and call.http_status >= 400 else None,
        "times": {name: ms for name, ms in times.items() if ms is not None},
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "usage_source": call.usage_source,
    }
