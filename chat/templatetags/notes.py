"""What the notes under an answer say. The browser's twin: notes.ts; tests/fixtures/notes holds both to it."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import Any

from django import template

from chat.pages.step_notes import Note, dropped_words, moderated_words, other_model_words
from chat.templatetags.chat_parts import counted, duration, money, shown_model, source, thousands

register = template.Library()

Words = dict[str, str]

_SUBJECT = "The provider "
_TIMEOUTS = {
    "connect": "could not be reached.",
    "first_token": "did not begin to answer.",
    "idle": "fell silent in mid-answer.",
    "total": "did not finish in time.",
}
_SOURCES = {"reported": ", as reported by the provider", "estimated": ", estimated"}
_MAY_COME_IN_PART = {"provider_cut", "provider_timeout", "provider_garbage"}
_NEXT = {
    "bad_frame": "Reload the page, then try again.",
    "bad_cursor": "Reload the page, then try again.",
    "not_found": "It may have been deleted meanwhile.",
    "too_large": "Send less at once.",
    "model_not_available": "Choose another model.",
    "context_too_long": "Choose a model with a larger window, or begin a new chat with what matters.",
    "moderation_blocked": "Write it differently.",
    "tool_limit": "Ask for less at once.",
    "forbidden": "An administrator can allow it.",
    "quota_exceeded": "It begins anew with the next period; an administrator can raise it.",
    "budget_exceeded": "It begins anew with the next period; an administrator can raise it.",
    "provider_rejected": "Another model may answer.",
    "provider_garbage": "If it stays so, an administrator has to look at the provider's address.",
    "internal": "If it stays so, tell an administrator.",
}
"""What to do, where the buttons do not say it."""
_ASK_STAFF = " An administrator has to look at it."
_NEXT_FOR_STAFF = {
    "provider_auth": "Look at its key in the provider's settings.",
    "provider_garbage": "If it stays so, look at its address in the provider's settings.",
    "internal": "The server's log has the details.",
}
_IN_SETTINGS = frozenset({"provider_auth", "provider_rejected", "provider_garbage"})


@register.filter
def stopped_words(turn: Mapping[str, Any] | None) -> Words:
    """`strong` and `rest` of the note below a stopped answer."""
    turn = turn or {}
    return {
        "strong": "Stopped.",
        "rest": _sentences(_billed(turn.get("receipt")), _closed(turn.get("stop_receipt"))),
    }


_USED_UP = "What had come is kept. With Continue it goes on once there is something left."
_LIMITS = {
    "tool_limit": "The calls that it asked for last were not run. With Continue it goes on from here.",
    "quota_exceeded": _USED_UP,
    "budget_exceeded": _USED_UP,
}


@register.filter
def limit_words(turn: Mapping[str, Any] | None) -> Words:
    """What the answer reached, and what there is now."""
    turn = turn or {}
    error, tokens = turn.get("error"), (turn.get("receipt") or {}).get("tokens")
    at = f" at {counted(tokens)}" if tokens else ""
    return {
        "strong": (error or {}).get("message") or f"The answer reached its limit{at}.",
        "rest": _LIMITS.get(str((error or {}).get("code")), "What had come is kept."),
    }


@register.filter
def failed_words(turn: Mapping[str, Any] | None, staff: bool = False) -> Words:
    """What happened, what was kept, what was billed, what to do; the same live and after a reload."""
    turn = turn or {}
    error, figures = turn.get("error"), turn.get("receipt")
    if not error:
        return {"strong": "The answer failed.", "rest": _sentences(_arrived(turn, ""), _billed(figures))}
    code = str(error.get("code", ""))
    unbilled = code.startswith("provider_") or code in ("context_too_long", "rate_limited")
    billed = _billed(figures) or ("Nothing was billed." if unbilled else "")
    happened = _what_happened(
        error, shown_model(turn.get("model"), turn.get("shared_names", ())) or "The model"
    )
    follows = {**_NEXT, **_NEXT_FOR_STAFF} if staff else _NEXT
    return {
        "strong": happened.removesuffix(_ASK_STAFF) if staff else happened,
        "rest": _sentences(_how_long(error, figures), _arrived(turn, code), billed, follows.get(code, "")),
    }


@register.filter
def page_for_staff(turn: Mapping[str, Any] | None) -> str:
    """Where staff may mend it: `providers`, `limits`, or nowhere."""
    error = (turn or {}).get("error") or {}
    if error.get("phase") == "switched_off":
        return "limits"
    return "providers" if error.get("code") in _IN_SETTINGS else ""


@register.filter
def other_model(turn: Mapping[str, Any] | None) -> str:
    """Who did not answer, and who did instead."""
    shared = (turn or {}).get("shared_names", ())
    return _noted(partial(other_model_words, shared=shared), turn)


@register.filter
def dropped(turn: Mapping[str, Any] | None) -> str:
    """What the model was asked without."""
    return _noted(dropped_words, turn)


@register.filter
def moderated(turn: Mapping[str, Any] | None) -> str:
    """What rules of the site have done to the answer."""
    return _noted(moderated_words, turn)


def _noted(words: Callable[[Iterable[Note], str, str], str], turn: Mapping[str, Any] | None) -> str:
    turn = turn or {}
    return words(turn.get("notes") or (), str(turn.get("model") or ""), str(turn.get("status") or ""))


@register.filter
def wait_label(seconds: float) -> str:
    """Beside a button that is better pressed later."""
    return f"in {_waiting(ceil(seconds))}"


def _what_happened(error: Mapping[str, Any], model: str) -> str:
    message = str(error.get("message") or "")
    if error.get("code") == "provider_timeout":
        return f"{model} {_TIMEOUTS.get(str(error.get('phase')), 'did not answer in time.')}"
    if error.get("code") == "rate_limited":
        return "There was no free place in time."
    if message.startswith(_SUBJECT):
        return f"{model} {message.removeprefix(_SUBJECT)}"
    return message or "The answer failed."


def _how_long(error: Mapping[str, Any], figures: Mapping[str, Any] | None) -> str:
    if error.get("code") == "provider_timeout":
        took = (figures or {}).get("duration_ms")
        return f"Given up after {duration(took)}." if took else ""
    seconds = error.get("retry_after_seconds")
    if not seconds:
        return ""
    if error.get("phase") == "left_alone":
        return f"It is tried again in {_waiting(seconds)}."
    if error.get("code") == "rate_limited":
        return f"One may be free in {_waiting(seconds)}."
    return f"It asks to wait {_waiting(seconds)}."


def _waiting(seconds: float) -> str:
    if seconds >= 120:
        return f"{ceil(seconds / 60)} min"
    return f"{ceil(seconds)} s"


def _arrived(turn: Mapping[str, Any], code: str) -> str:
    if source(turn.get("parts") or ()):
        return "What had come is kept."
    return "Nothing had come." if code in _MAY_COME_IN_PART else ""


def _billed(figures: Mapping[str, Any] | None) -> str:
    figures = figures or {}
    if figures.get("tokens"):
        count = counted(figures["tokens"])
    elif figures.get("input_tokens"):
        count = f"{counted(figures['input_tokens'])} in"
    else:
        return ""
    price = money(figures.get("cost"))
    return (
        f"Billed: {count}{', ' + price if price else ''}{_SOURCES.get(str(figures.get('usage_source')), '')}."
    )


def _closed(receipt: Mapping[str, Any] | None) -> str:
    asked, closed = _moment(receipt, "requested_at"), _moment(receipt, "upstream_closed_at")
    if asked is None or closed is None:
        return ""
    took = max(0, ((closed - asked) // timedelta(microseconds=1) + 500) // 1000)
    return f"The line upstream closed {thousands(took)} ms after you asked."


def _moment(receipt: Mapping[str, Any] | None, name: str) -> datetime | None:
    value = receipt.get(name) if receipt else None
    if isinstance(value, str) and value:
        return datetime.fromisoformat(value)
    return value if isinstance(value, datetime) else None


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)
