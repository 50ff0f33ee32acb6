"""Texts and JSON that are there as a whole."""

from typing import Any

import msgspec
from msgspec import Struct

from chat.moderation.rules import Rule, RuleSet
from chat.moderation.stream_filter import Hit, StreamFilter

MOST_DEPTH = 200


class Ruled(Struct, frozen=True):
    """What is left of something: `value` is the same object where nothing was changed."""

    value: Any
    hits: tuple[Hit, ...] = ()
    ended_by: Rule | None = None
    altered: bool = False


def ruled_text(text: str, rules: RuleSet) -> Ruled:
    stream = StreamFilter(rules)
    left = stream.add(text) + stream.finish()
    return Ruled(left if stream.altered else text, tuple(stream.hits), stream.ended_by, stream.altered)


def ruled_json(value: Any, rules: RuleSet) -> Ruled:
    """Every text in it, names and numbers too; a number that is masked becomes the text it is masked by."""
    walk = _Walk(rules)
    left = walk.through(value, 0)
    return Ruled(left if walk.altered else value, tuple(walk.hits), walk.ended_by, walk.altered)


def ruled_written_json(written: str, rules: RuleSet) -> Ruled:
    """JSON as somebody wrote it, escapes and all; as a plain text where it is none."""
    try:
        value = msgspec.json.decode(written)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ruled_text(written, rules)
    found = ruled_json(value, rules)
    if not found.altered:
        return Ruled(written, found.hits, found.ended_by)
    return Ruled(msgspec.json.encode(found.value).decode(), found.hits, found.ended_by, altered=True)


class _Walk:
    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self.hits: list[Hit] = []
        self.ended_by: Rule | None = None
        self.altered = False

    def through(self, value: Any, depth: int) -> Any:
        if depth > MOST_DEPTH:
            self.altered = True
            return ""
        if isinstance(value, str):
            return self._text(value, value)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            return self._text(str(value), value)
        if isinstance(value, list):
            return [self.through(item, depth + 1) for item in value]
        return {self._text(name, name): self.through(item, depth + 1) for name, item in value.items()}

    def _text(self, text: str, value: Any) -> Any:
        found = ruled_text(text, self._rules)
        self.hits += found.hits
        self.ended_by = self.ended_by or found.ended_by
        self.altered = self.altered or found.altered
        return found.value if found.altered else value
