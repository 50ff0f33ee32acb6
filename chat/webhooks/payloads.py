"""What the outgoing webhooks say: one flat JSON object an event, the event's name first. Pure.

None holds what people or models wrote, except what a tool was asked and answered: whoever is told that a run has ended
reads the answer over REST, under the same rights as ever.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

RUN_FINISHED: Final = "run.finished"
INVOCATION_WAITING: Final = "invocation.waiting"
FUNCTION_CALL_COMPLETED: Final = "function_call_completed"
EVENTS: Final = frozenset({RUN_FINISHED, INVOCATION_WAITING, FUNCTION_CALL_COMPLETED})

MOST_BYTES: Final = 65_536
"""Of a tool's arguments and of its result, as JSON; of longer ones only the beginning is told, and that it is."""

Payload = dict[str, Any]


def run_finished(
    *,
    run: str,
    conversation: str,
    message: str,
    model: str,
    columns: Mapping[str, Any],
    finished_at: datetime,
) -> Payload:
    """`columns` are those of the run's row, as far as they are known."""
    cost = columns.get("cost")
    return {
        "event": RUN_FINISHED,
        "run": run,
        "conversation": conversation,
        "message": message,
        "model": model,
        "status": columns["status"],
        "error": columns.get("error"),
        "usage": columns.get("usage"),
        "cost": None if cost is None else {"amount": f"{cost:f}", "currency": columns["currency"]},
        "ttft_ms": columns.get("ttft_ms"),
        "duration_ms": columns.get("duration_ms"),
        "tokens_per_second": columns.get("tokens_per_second"),
        "stop_receipt": columns.get("stop_receipt"),
        "timestamp": moment(finished_at),
    }


def invocation_waiting(
    *,
    invocation: str,
    run: str,
    function: str,
    arguments: Any,
    waits_for: Literal["approval", "callback", "client"],
    at: datetime,
) -> Payload:
    shown, truncated = shortened(arguments)
    return {
        "event": INVOCATION_WAITING,
        "call_id": invocation,
        "run": run,
        "function": function,
        "arguments": shown,
        "arguments_truncated": truncated,
        "for": waits_for,
        "timestamp": moment(at),
    }


def function_call_completed(
    *, invocation: str, run: str, function: str, status: str, result: Any, at: datetime
) -> Payload:
    shown, truncated = shortened(result)
    return {
        "event": FUNCTION_CALL_COMPLETED,
        "call_id": invocation,
        "run": run,
        "function": function,
        "status": status,
        "result": shown,
        "result_truncated": truncated,
        "timestamp": moment(at),
    }


def shortened(value: Any) -> tuple[Any, bool]:
    """The value, or the beginning of its JSON (of itself, if it is a text), and whether it was too long."""
    text = encoded(value)
    if len(text) <= MOST_BYTES:
        return value, False
    if not isinstance(value, str):
        return text[:MOST_BYTES], True
    # Escaped a character may take twelve bytes; a cut in the middle of one would be no JSON any more.
    cut = value[:MOST_BYTES]
    while (size := len(encoded(cut))) > MOST_BYTES:
        cut = cut[: len(cut) * MOST_BYTES // size]
    return cut, True


def encoded(payload: Any) -> str:
    """JSON in ASCII: whatever a model wrote, half characters too, can be stored, signed and sent as it is.

    It never fails, for it is called where something worth keeping is being stored: what JSON has no word for is told as
    text, a number that is none as null.
    """
    text = json.dumps(payload, separators=(",", ":"), default=str)
    if "NaN" in text or "Infinity" in text:
        payload = json.loads(text, parse_constant=lambda _: None)
        text = json.dumps(payload, separators=(",", ":"))
    return text


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
