"""What a provider's headers say of its limits. Pure; what cannot be read is left out.

Names differ in order and ending, never in their words:
`x-ratelimit-limit-requests` (OpenAI, Azure, Groq), `anthropic-ratelimit-input-tokens-remaining` (Anthropic),
`x-ratelimit-remaining-tokens-minute` (Mistral, Cerebras), `x-ratelimit-reset` (OpenRouter), `ratelimit-limit` (the
IETF draft "RateLimit header fields for HTTP", up to -06).
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct

LONGEST_RESET_SECONDS: Final = 90_000.0
"""A day, and an hour for clocks that differ. What is said to take longer is as not said."""
_LONGEST_VALUE: Final = 64

_NAME = re.compile(r"^(?:x-|anthropic-|anthropic-priority-)?ratelimit-([a-z-]+)$")
_FIGURES = frozenset({"limit", "remaining", "reset"})
_REQUESTS = frozenset({"req", "request", "requests"})
_TOKENS = frozenset({"token", "tokens"})
_WINDOWS = frozenset({"second", "minute", "hour", "day", "month", "input", "output"})
_DURATION = re.compile(r"^(?:\d+(?:\.\d+)?(?:ms|us|µs|d|h|m|s))+$")
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|d|h|m|s)")
_UNIT_SECONDS: Final = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class RateFacts(Struct, frozen=True):
    """One limit: how many, how many are left, and the seconds until all of them are back. None: not told."""

    limit: float | None = None
    remaining: float | None = None
    reset_seconds: float | None = None

    @property
    def left(self) -> float:
        """The share that is left; 1.0 where it is not told."""
        if self.remaining is None:
            return 1.0
        return self.remaining / self.limit if self.limit else float(self.remaining > 0)


class RateLimits(Struct, frozen=True):
    """Where several limits of a kind are told (a minute's and a day's), the one with the smallest share left."""

    requests: RateFacts | None = None
    tokens: RateFacts | None = None


def rate_limits(headers: Mapping[str, str], now: float) -> RateLimits:
    """`now` in seconds since 1970: some resets are points in time."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for name, value in headers.items():
        name = name.lower()
        if "ratelimit" not in name:
            continue
        match = _NAME.match(name)
        place = _sorted_out(match[1].split("-")) if match else None
        if place is None:
            continue
        kind, window, figure = place
        number = reset_seconds(value, now) if figure == "reset" else _amount(value)
        if number is not None:
            found.setdefault((kind, window), {})[figure] = number
    return RateLimits(_tightest("requests", found), _tightest("tokens", found))


def reset_seconds(value: str, now: float) -> float | None:
    """`6m0s`, `4ms`, `1.5` and `60` (seconds), seconds and milliseconds since 1970, RFC 3339.

    None: unreadable, or too long.
    """
    value = value.strip()[:_LONGEST_VALUE]
    if _DURATION.match(value):
        seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _PIECE.findall(value))
    elif (number := _number(value)) is not None:
        seconds = number
        # No wait lasts thirty years: such a number is a point in time.
        if number > 1e11:
            seconds = number / 1000 - now
        elif number > 1e9:
            seconds = number - now
    else:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            return None
        seconds = moment.timestamp() - now
    return max(0.0, seconds) if seconds <= LONGEST_RESET_SECONDS else None


def _sorted_out(words: list[str]) -> tuple[str, str, str] | None:
    """Kind, window and figure of a name; None where a word is not known: it may mean anything."""
    kind, figure, window = "requests", "", []
    for word in words:
        if word in _FIGURES and not figure:
            figure = word
        elif word in _TOKENS:
            kind = "tokens"
        elif word in _WINDOWS:
            window.append(word)
        elif word not in _REQUESTS:
            return None
    return (kind, "-".join(window), figure) if figure else None


def _tightest(kind: str, found: dict[tuple[str, str], dict[str, float]]) -> RateFacts | None:
    facts = [
        RateFacts(figures.get("limit"), figures.get("remaining"), figures.get("reset"))
        for (its_kind, _window), figures in found.items()
        if its_kind == kind
    ]
    return min(facts, key=lambda fact: fact.left, default=None)


def _amount(value: str) -> float | None:
    # The IETF draft allows `100, 100;w=60`: the first figure is the one that counts.
    number = _number(value.strip()[:_LONGEST_VALUE].partition(",")[0].strip())
    return number if number is not None and number >= 0 else None


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
