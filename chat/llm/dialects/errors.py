"""What providers say when they refuse: many body shapes in, one error of our tree out.

Shapes recorded from OpenAI, Anthropic, OpenRouter, llama.cpp, xAI, Mistral, Doubleword, Gemini, FastAPI and
Cloudflare. Shared by all dialects, for HTTP errors and for errors inside a stream of status 200.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from chat.exceptions import ContextTooLong, ProviderAuth, ProviderError, ProviderOverloaded, ProviderRejected
from chat.llm.dialects.refusals import capability_after_refusal, inability, refused_field
from chat.llm.dialects.text import clean
from chat.llm.sse import SseDecoder

__all__ = [
    "WireError",
    "capability_after_refusal",
    "error_in",
    "error_in_body",
    "http_error",
    "provider_error",
    "redirect_error",
    "retry_after",
    "status_line",
]

MAX_BODY_BYTES: Final = 64 * 1024
MAX_DETAIL_CHARACTERS: Final = 2000
LONGEST_WAIT_SECONDS: Final = 86_400
_WRONG_KEY: Final = ("incorrect api key", "invalid api key", "api key not valid")
_MINIMAX: Final = {
    1000: "api_error",
    1001: "timeout_error",
    1002: "rate_limit_error",
    1004: "authentication_error",
    1008: "insufficient_balance",
    1013: "api_error",
}
_SIGNS: Final = ("code", "type", "status", "status_code", "error_code")
"""What stands beside the message of an error, and not of a note."""

_TROUBLE = "The provider has a problem of its own."
_NO_CREDIT = "The provider's account has no credit left. An administrator has to look at it."
_TOO_LARGE = "The provider says the request is too large."

_QUOTA_CODES = (
    "insufficient_quota",
    "enforced_spend_limit",
    "billing_error",
    "insufficient_balance",
    "billing_hard_limit",
)
_AUTH_CODES = (
    "invalid_api_key",
    "authentication",
    "permission",
    "unauthorized",
    "unauthenticated",
    "forbidden",
)
_BUSY_CODES = (
    "rate_limit",
    "overloaded",
    "too_many_requests",
    "request_limit",
    "resource_exhausted",
    "unavailable",
    "slow_down",
)
_TROUBLE_CODES = ("server_error", "api_error", "internal", "timeout", "bad_gateway", "connection")
_REJECTED_CODES = (
    "invalid",
    "not_found",
    "unsupported",
    "failed",
    "content_filter",
    "moderation",
    "policy",
    "exceed",
)
_CONTEXT = re.compile(
    r"context_length_exceeded|exceed_context_size|context_window_exceeded|string_above_max_length"
    r"|context (length|size|window)|maximum (prompt|input|context|number of tokens)"
    r"|(prompt|input|request) (is )?too long|too many (input |prompt )?tokens|reduce the length of",
    re.IGNORECASE,
)


class WireError(Struct, frozen=True):
    """What the provider wrote: its words, not yet ours. `status` is one named inside the body."""

    message: str = ""
    code: str | int | None = None
    type: str = ""
    status: int | None = None
    raw: str = ""
    retry_after_seconds: float | None = None
    param: str = ""


def error_in(value: Any, *, in_stream: bool = False) -> WireError | None:
    """The error a decoded JSON value tells of, None if it tells of none.

    `in_stream`: a bare `message` needs more beside it, since streams may also carry notes.
    """
    if isinstance(value, list):
        return next(
            (found for item in value[:10] if isinstance(item, dict) and (found := error_in(item))), None
        )
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    if isinstance(error, str) and error:
        return _facts({**value, "message": error})
    if isinstance(error, dict) and error:
        return _facts(error)
    if error:
        return WireError(message=_as_text(error))
    if isinstance(value.get("errors"), list) and value["errors"]:
        first = value["errors"][0]
        return _facts(first) if isinstance(first, dict) else WireError(message=_as_text(first))
    if value.get("object") == "error" or value.get("type") == "error":
        return _facts(value)
    if isinstance(value.get("base_resp"), dict) and value["base_resp"].get("status_code"):
        return _of_minimax(value["base_resp"])
    if value.get("detail") and "choices" not in value:
        return _facts({**value, "message": _detail_text(value["detail"])})
    if in_stream and not any(value.get(name) for name in _SIGNS):
        return None
    if isinstance(value.get("message") or value.get("Message"), str) and not _is_answer(value):
        return _facts({"message": value.get("Message"), **value})
    return None


def provider_error(
    error: WireError, status: int | None = None, retry_after_seconds: float | None = None
) -> ProviderError:
    """Sorts by what the caller does next: see an administrator, change the request, wait."""
    status = status or error.status
    kind, message = _kind(error, status)
    detail = error.message
    if error.raw and error.raw not in detail:
        detail = f"{detail} ({error.raw})" if detail else error.raw
    return kind(
        message,
        detail=clean(detail)[:MAX_DETAIL_CHARACTERS],
        status=status,
        upstream_code=error.code,
        retry_after_seconds=retry_after_seconds
        if retry_after_seconds is not None
        else error.retry_after_seconds,
    )


def http_error(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """An answer with a status of 400 or above. Never carries HTML or binary on.

    `field` of the error is the request's field that the model does not know, if that is what it says:
    `capability_after_refusal` tells what to remember of the model before the request is built again.
    """
    names = {name.lower(): value for name, value in headers.items()}
    said = error_in_body(body)
    wire = said or WireError(message=status_line(status, body))
    error = provider_error(wire, status, retry_after(names))
    if said is None and status in (404, 405):
        error.args = (
            "There is nothing at the provider's address: its base URL or its dialect is not right.",
        )
    field = _unable(wire, status)
    if error.retryable and (field or names.get("x-should-retry") == "false"):
        text = "" if field else str(error)
        error = ProviderRejected(text, detail=error.detail, status=status, upstream_code=error.upstream_code)
    error.field = field
    return error


def redirect_error(status: int, headers: Mapping[str, str]) -> ProviderError:
    """An answer with a status of 300 to 399. Never followed: the key would go along, to wherever it says.

    The detail names where it leads without query and user, which may hold secrets.
    """
    location = next((value for name, value in headers.items() if name.lower() == "location"), "")
    try:
        parts = urlsplit(location.strip())
        host = parts.netloc.rpartition("@")[2]
        leads_to = urlunsplit((parts.scheme, host, parts.path, "", ""))
    except ValueError:
        leads_to = ""
    line = status_line(status)
    return ProviderRejected(
        "The provider's address leads elsewhere; its base URL is not right.",
        detail=clean(f"{line}: it leads to {leads_to}" if leads_to else line)[:MAX_DETAIL_CHARACTERS],
        status=status,
    )


def error_in_body(body: bytes) -> WireError | None:
    body = body[:MAX_BODY_BYTES]
    try:
        return error_in(json.loads(_first_event(body).decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return None


def _first_event(body: bytes) -> bytes:
    """Some servers refuse a stream with a stream."""
    if not body.lstrip().startswith((b"data:", b"event:", b":", b"error:", b"id:", b"retry:")):
        return body
    decoder = SseDecoder()
    events = decoder.feed(body)
    return events[0][1] if events else (decoder.close() or ("", body))[1]


def status_line(status: int, body: bytes = b"") -> str:
    """`HTTP 502 Bad Gateway`, and the body's first line if it is plain words."""
    try:
        line = f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        line = f"HTTP {status}"
    text = body[:500].decode("utf-8", "replace").strip()
    if not text or text[0] in "<{[" or "\ufffd" in text or not text.replace("\n", " ").isprintable():
        return line
    return f"{line}: {text.splitlines()[0]}"


def retry_after(headers: Mapping[str, str], clock: Callable[[], float] = time.time) -> float | None:
    """Seconds, from `retry-after-ms` or `retry-after` (seconds or a date). Header names in lower case.

    Of several values, joined by commas, the largest. What is no time, negative, or more than a day is as not said:
    no error that we know lasts so long, and nobody waits for it.
    """
    sent = _moment(headers.get("date", ""))
    now = clock() if sent is None else sent
    for name, unit_seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        found = [_wait_seconds(piece, unit_seconds, now) for piece in headers.get(name, "").split(",")]
        sensible = [
            seconds for seconds in found if seconds is not None and 0 <= seconds <= LONGEST_WAIT_SECONDS
        ]
        if sensible:
            return max(sensible)
    return None


def _wait_seconds(piece: str, unit_seconds: float, now: float) -> float | None:
    try:
        return float(piece) * unit_seconds
    except ValueError:
        # The comma of a date parts it from its day of the week, which tells nothing.
        until = _moment(piece)
        return None if until is None else max(0.0, until - now)


def _moment(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _unable(wire: WireError, status: int | None) -> str:
    """The refused field. 404: OpenRouter, where none of its endpoints knows it; 500: llama.cpp, where it was not
    started with what pictures or tools need."""
    if status in (400, 404, 422):
        return refused_field(str(wire.code or ""), wire.param, wire.message)
    return inability(wire.message) if status in (500, 501) else ""


def _kind(error: WireError, status: int | None) -> tuple[type[ProviderError], str]:
    code = f"{error.code} {error.type}".lower()
    words = f"{code} {error.message} {error.raw}"
    if status == 402 or _any(_QUOTA_CODES, code) or "credit balance is too low" in words:
        return ProviderRejected, _NO_CREDIT
    if status in (429, 503, 529) or (status is None and _any(_BUSY_CODES, code)):
        return ProviderOverloaded, ""
    if status is None or status < 500 or "exceed_context" in code:
        if _CONTEXT.search(words):
            return ContextTooLong, ""
        if _is_auth(status, code, words.lower()):
            return ProviderAuth, ""
    if status == 413:
        return ProviderRejected, _TOO_LARGE
    if status is None:
        busy = _any(_TROUBLE_CODES, code) or not _any(_REJECTED_CODES, code)
        return (ProviderOverloaded, _TROUBLE) if busy else (ProviderRejected, "")
    if status >= 500 or status in (408, 409):
        return ProviderOverloaded, "" if _any(_BUSY_CODES, code) else _TROUBLE
    return ProviderRejected, ""


def _is_auth(status: int | None, code: str, words: str) -> bool:
    if status == 401:
        return True
    if status == 403:  # OpenRouter answers 403 when its moderation flags the input
        return "moderation" not in words and "flagged" not in words
    return _any(_AUTH_CODES, code) or any(said in words for said in _WRONG_KEY)


def _any(names: tuple[str, ...], text: str) -> bool:
    return any(name in text for name in names)


def _facts(error: dict[str, Any]) -> WireError:
    code = error.get("code", error.get("error_code"))
    metadata = error.get("metadata")
    raw = _as_text(metadata.get("raw")) if isinstance(metadata, dict) else ""
    return WireError(
        message=clean(_as_text(error.get("message") or error.get("msg") or error.get("detail"))),
        code=_code(code),
        type=_as_text(
            error.get("type")
            or error.get("error_type")
            or (error.get("status") if isinstance(error.get("status"), str) else "")
        ),
        status=_status_in(error),
        raw=raw[:MAX_DETAIL_CHARACTERS],
        retry_after_seconds=_retry_delay(error.get("details")),
        param=_as_text(error.get("param")) or _where(error.get("message")),
    )


def _code(code: Any) -> str | int | None:
    if isinstance(code, str):
        return clean(code)
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _status_in(error: dict[str, Any]) -> int | None:
    for name in ("http_status_code", "status_code", "raw_status_code", "code", "status"):
        value = error.get(name)
        if isinstance(value, str) and re.fullmatch(r"[45]\d\d", value):
            value = int(value)
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    return None


def _retry_delay(details: Any) -> float | None:
    """Gemini's `google.rpc.RetryInfo`: `{"retryDelay": "28s"}`."""
    for item in details if isinstance(details, list) else ():
        delay = item.get("retryDelay") if isinstance(item, dict) else None
        if isinstance(delay, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?s", delay):
            seconds = float(delay[:-1])
            return seconds if seconds <= LONGEST_WAIT_SECONDS else None
    return None


def _where(message: Any) -> str:
    """Mistral's message is FastAPI's list: `{"detail": [{"loc": ["body", "store"], "msg": ...}]}`."""
    detail = message.get("detail") if isinstance(message, dict) else None
    first = detail[0] if isinstance(detail, list) and detail else None
    steps = first.get("loc") if isinstance(first, dict) else None
    return ".".join(str(step) for step in steps) if isinstance(steps, list) else ""


def _of_minimax(answer: dict[str, Any]) -> WireError:
    """`base_resp: {status_code, status_msg}`, with status 200 and 0 where nothing is wrong."""
    code = answer["status_code"] if isinstance(answer["status_code"], int) else None
    kind = _MINIMAX.get(code or 0, "invalid_request_error")
    return WireError(message=clean(_as_text(answer.get("status_msg"))), code=code, type=kind)


def _detail_text(detail: Any) -> str:
    if not isinstance(detail, list):
        return _as_text(detail)
    lines = []
    for item in detail[:10]:
        if isinstance(item, dict):
            where = (
                ".".join(str(step) for step in item.get("loc") or ())
                if isinstance(item.get("loc"), list)
                else ""
            )
            lines.append(f"{where}: {item.get('msg')}" if where else _as_text(item.get("msg") or item))
        else:
            lines.append(_as_text(item))
    return "; ".join(lines)


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _is_answer(value: dict[str, Any]) -> bool:
    return any(name in value for name in ("choices", "output", "content", "usage", "delta", "response"))
