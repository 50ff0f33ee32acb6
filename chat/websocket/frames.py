"""What the server says besides events: replies, notices, the greeting and the farewell. JSON text frames."""

from typing import Any

import msgspec

from chat.conf import SocketLimits
from chat.engine.books import error_facts
from chat.exceptions import ChatError

PROTOCOL = 1

_encode = msgspec.json.Encoder().encode


def ready(user: str, limits: SocketLimits) -> str:
    return _text(
        {
            "type": "ready",
            "protocol": PROTOCOL,
            "user": user,
            "heartbeat_seconds": limits.heartbeat_seconds,
            "limits": {
                "frame_bytes": limits.frame_bytes,
                "commands_per_minute": limits.commands_per_minute,
                "credit_events": limits.credit_events,
                "credit_bytes": limits.credit_bytes,
            },
        }
    )


def reply(ref: str | int | None, result: dict[str, Any]) -> str:
    return _text({"type": "reply", "ref": ref, "ok": True, **result})


def refusal(ref: str | int | None, error: ChatError) -> str:
    facts = msgspec.to_builtins(error_facts(error))
    if error.field:
        facts["field"] = error.field
    return _text({"type": "reply", "ref": ref, "ok": False, "error": facts})


def notice(fields: dict[str, Any]) -> str:
    return _text({"type": "notice", **fields})


def closing(reason: str, reconnect_after_ms: int) -> str:
    return _text({"type": "closing", "reason": reason, "reconnect_after_ms": reconnect_after_ms})


PONG = '{"type":"pong"}'


def _text(value: dict[str, Any]) -> str:
    return _encode(value).decode()
