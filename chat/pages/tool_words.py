"""A tool call in words and fields; the twin of render/tool-words.ts. tests/fixtures/tool_words holds both to it."""

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TypedDict

_WORDS = {
    "pending": "Waits its turn", "waiting": "Waits for you", "running": "Running", "succeeded": "Done",
    "failed": "Failed", "rejected": "Rejected", "cancelled": "Cancelled", "timed_out": "Timed out",
    "unknown": "Outcome unknown",
}  # fmt: skip
_WAITS = {"callback": "Waits for an answer", "client": "Waits for a program"}
_ICONS = {"succeeded": "check", "failed": "x", "timed_out": "x", "unknown": "warn"}

_WHY_IT_WAITS = {
    "approval": "Nothing happens until you decide.",
    "callback": "Another system is at work on it and will call back. You can close this tab.",
    "client": "The program that asked for this answer runs it and will say what came of it.",
}
_TOLD = "The model was told so."
_NOT_RUN = "You said no. It was not run, and the model was told so."
_ENDS = {
    "failed": "It failed.",
    "timed_out": "Nobody answered in time.",
}
"""How a call ends that has nothing to say of itself."""
_REASON = re.compile(r"Their reason: (.+)\Z", re.DOTALL)
"""Where the model is told of a rejection: chat/actions/invocations.py."""
_WITHOUT_RESULT = {
    "cancelled": "It was stopped before it had a result.",
    "unknown": "What ran it was lost on the way, so nobody knows whether it took effect."
    " Check that before you ask for it again.",
}
_AGAIN = {"failed", "timed_out", "unknown"}
_SENTENCE = 300
"""Longer than this it is no sentence, and folded away."""
_LINE = 60
_GIST = 120
_NOT_JSON = object()


class Field(TypedDict):
    """`kind`: `line` and `text` are strings; `number`, `flag` and `json` are written as JSON is."""

    name: str
    kind: str
    value: str


def state_word(status: str, waits_for: str) -> str:
    """With what it waits for, where it waits."""
    waits = _WAITS.get(waits_for) if status == "waiting" else None
    return waits or _WORDS.get(status, status)


def state_icon(status: str, waits_for: str) -> str:
    if status == "waiting":
        return "user" if waits_for == "approval" else ""
    return _ICONS.get(status, "")


def why_words(status: str, waits_for: str, result: Any) -> str:
    """Why it stands as it does, in sentences; nothing where that needs none."""
    if status == "waiting":
        return _WHY_IT_WAITS.get(waits_for, "")
    if status == "succeeded":
        return "It gave nothing back." if _is_nothing(result) else ""
    if status == "rejected":
        reason = _REASON.search(result) if isinstance(result, str) else None
        return f"“{reason[1].strip()}” {_NOT_RUN}" if reason else _NOT_RUN
    if status not in _ENDS:
        return _WITHOUT_RESULT.get(status, "")
    return f"{_closed(result) if _is_sentence(result) else _ENDS[status]} {_TOLD}"


def result_text(status: str, result: Any) -> str:
    """What stands in the fold: JSON drawn out, text as it is; nothing where the sentences say all of it."""
    if _is_nothing(result) or status == "rejected" or status in _WITHOUT_RESULT:
        return ""
    if status in _ENDS and _is_sentence(result):
        return ""
    return _drawn_out(result) if isinstance(result, str) else _pretty(result)


def offers_again(status: str) -> bool:
    """Whether another answer may do better, once this one has ended."""
    return status in _AGAIN


def fields_of(written: Any) -> list[Field]:
    read = written
    if isinstance(written, str):
        if not written.strip():
            return []
        read = read_partial(written)
        if read is _NOT_JSON:
            return [{"name": "arguments", "kind": "text", "value": written}]
    if not isinstance(read, dict):
        return [_field("arguments", read)]
    return [_field(str(name), value) for name, value in read.items()]


def gist_of(fields: list[Field]) -> str:
    return ", ".join(re.sub(r"\s+", " ", field["value"]) for field in fields)[:_GIST]


def read_partial(text: str) -> Any:
    """JSON of which only a beginning has come: a half string as far as it goes, a member without its value not yet."""
    for closed in _closings(text):
        try:
            return _loads(closed)
        except (ValueError, RecursionError):
            continue  # the next one says less
    return _NOT_JSON


def _closings(text: str) -> Iterator[str]:
    """The text as it is, closed where it stops, there without half of a number, and without its last member."""
    yield text
    ends, quoted, whole = _left_open(text)
    stem = text
    if quoted:
        stem = re.sub(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$", r"\1", text) + '"'
    yield stem + ends
    yield (stem if quoted else re.sub(r"(?<=\d)[.eE+-]+$", "", stem)) + ends
    yield text[:whole] + _left_open(text[:whole])[0]


def _left_open(text: str) -> tuple[str, bool, int]:
    """What closes it, whether it stops within a string, and how much of it stands before its last member."""
    ends: list[str] = []
    quoted = False
    whole = at = 0
    while at < len(text):
        sign = text[at]
        if quoted:
            if sign == "\\":
                at += 1
            elif sign == '"':
                quoted = False
        elif sign == '"':
            quoted = True
        elif sign in "{[":
            ends.append("}" if sign == "{" else "]")
            whole = at + 1
        elif sign in "}]":
            del ends[-1:]
        elif sign == ",":
            whole = at
        at += 1
    return "".join(reversed(ends)), quoted, whole


def _field(name: str, value: Any) -> Field:
    kind = "json"
    if isinstance(value, str):
        kind = "text" if len(value) > _LINE or "\n" in value else "line"
    elif isinstance(value, bool):
        kind = "flag"
    elif isinstance(value, int | float):
        kind = "number"
    return {"name": name, "kind": kind, "value": _short(value) or _pretty(value)}


def _short(value: Any) -> str:
    """A list or an object that fits into a line; "" for one that does not, and for anything else."""
    if not isinstance(value, list | dict):
        return ""
    written = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return written if len(written) <= _LINE else ""


def _loads(text: str) -> Any:
    def refused(word: str) -> NoReturn:
        raise ValueError(word)

    return json.loads(text, parse_constant=refused)


def _pretty(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        value = int(value)  # as the browser writes it
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _is_nothing(result: Any) -> bool:
    return result is None or result == ""


def _is_sentence(result: Any) -> bool:
    return isinstance(result, str) and 0 < len(result) <= _SENTENCE and re.search(r"[\n{}]", result) is None


def _closed(sentence: str) -> str:
    trimmed = sentence.strip()
    return trimmed if trimmed.endswith((".", "!", "?", "。", "！", "？")) else f"{trimmed}."


def _drawn_out(result: str) -> str:
    if not result.lstrip().startswith(("{", "[")):
        return result
    try:
        return _pretty(_loads(result))
    except (ValueError, RecursionError):
        return result
