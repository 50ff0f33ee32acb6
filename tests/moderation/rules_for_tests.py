"""Rules, and sets of them, as tests want them."""

from typing import Any
from uuid import UUID

from chat.moderation.rules import Kind, Rule, RuleSet
from chat.moderation.stream_filter import StreamFilter

LONGEST: dict[str, int] = {"email": 345, "phone": 64, "card": 37, "cn_id": 18}


def rule(kind: Kind, pattern: str = "", **changes: Any) -> Rule:
    longest = LONGEST.get(kind, 20)
    values: dict[str, Any] = {"name": pattern or kind, "longest": longest, "action": "mask"} | changes
    return Rule(key=UUID(int=1), kind=kind, pattern=pattern, **values)


def rules(*given: Rule) -> RuleSet:
    return RuleSet(given)


def heard(ruled: RuleSet, *chunks: str) -> list[str]:
    """What is given out after each chunk, and at the end."""
    stream = StreamFilter(ruled)
    return [*(stream.add(chunk) for chunk in chunks), stream.finish()]


Outcome = tuple[str, list[tuple[str, int, int]], str | None]


def outcome(ruled: RuleSet, chunks: list[str]) -> Outcome:
    """What a text becomes, and what is noted of it."""
    stream = StreamFilter(ruled)
    shown = "".join([*(stream.add(chunk) for chunk in chunks), stream.finish()])
    ended_by = stream.ended_by.name if stream.ended_by is not None else None
    return shown, [(hit.rule.name, hit.start, hit.length) for hit in stream.hits], ended_by
