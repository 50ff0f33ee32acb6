"""What is commonly known of common models: context window, longest answer, abilities.

Their prices are in chat/fixtures/prices.json.

Read off the vendors' public pages in early 2026; this is where a new model starts. Models whose weights are open have
no entry: their window is whatever the server that runs them makes of it.
"""

import re
from collections.abc import Iterator

from msgspec import Struct


class CatalogEntry(Struct, frozen=True):
    """In tokens."""

    context_window: int
    max_output_tokens: int
    capabilities: tuple[str, ...]


_SEES = ("tools", "vision")
_THINKS = ("tools", "reasoning")
_BOTH = ("tools", "vision", "reasoning")

# name: window, longest answer, abilities
_ROWS: dict[str, tuple[int, int, tuple[str, ...]]] = {
    "gpt-5.2": (400_000, 128_000, _BOTH),
    "gpt-5.1": (400_000, 128_000, _BOTH),
    "gpt-5": (400_000, 128_000, _BOTH),
    "gpt-5-mini": (400_000, 128_000, _BOTH),
    "gpt-5-nano": (400_000, 128_000, _BOTH),
    "gpt-4.1": (1_047_576, 32_768, _SEES),
    "gpt-4.1-mini": (1_047_576, 32_768, _SEES),
    "gpt-4.1-nano": (1_047_576, 32_768, _SEES),
    "gpt-4o": (128_000, 16_384, _SEES),
    "gpt-4o-mini": (128_000, 16_384, _SEES),
    "gpt-4-turbo": (128_000, 4_096, _SEES),
    "gpt-3.5-turbo": (16_385, 4_096, ("tools",)),
    "o1": (200_000, 100_000, _BOTH),
    "o3": (200_000, 100_000, _BOTH),
    "o3-mini": (200_000, 100_000, _THINKS),
    "o4-mini": (200_000, 100_000, _BOTH),
    "claude-opus-4-6": (200_000, 128_000, _BOTH),
    "claude-opus-4-5": (200_000, 64_000, _BOTH),
    "claude-opus-4-1": (200_000, 32_000, _BOTH),
    "claude-opus-4": (200_000, 32_000, _BOTH),
    "claude-sonnet-4-6": (200_000, 64_000, _BOTH),
    "claude-sonnet-4-5": (200_000, 64_000, _BOTH),
    "claude-sonnet-4": (200_000, 64_000, _BOTH),
    "claude-3-7-sonnet": (200_000, 64_000, _BOTH),
    "claude-haiku-4-5": (200_000, 64_000, _BOTH),
    "claude-3-5-haiku": (200_000, 8_192, _SEES),
    "claude-3-haiku": (200_000, 4_096, _SEES),
    "gemini-3-pro-preview": (1_048_576, 65_536, _BOTH),
    "gemini-3-flash-preview": (1_048_576, 65_536, _BOTH),
    "gemini-2.5-pro": (1_048_576, 65_536, _BOTH),
    "gemini-2.5-flash": (1_048_576, 65_536, _BOTH),
    "gemini-2.5-flash-lite": (1_048_576, 65_536, _BOTH),
    "gemini-2.0-flash": (1_048_576, 8_192, _SEES),
    "deepseek-chat": (128_000, 8_192, ("tools",)),
    "deepseek-reasoner": (128_000, 65_536, _THINKS),
    "grok-4": (256_000, 256_000, _BOTH),
    "grok-3": (131_072, 131_072, ("tools",)),
    "grok-3-mini": (131_072, 131_072, _THINKS),
}

# What sellers put before and behind a model's name: a route, the vendor, a version, a release's date.
_VENDOR = re.compile(
    r"^(?:[a-z]{2,6}\.)?(?:amazon|anthropic|cohere|deepseek|meta|mistral|moonshot|qwen|zai)\."
)
_VERSION = re.compile(r"-v\d+(?::\d+)?$")
# gpt-4o-2024-08-06, claude-sonnet-4-5-20250929, claude-sonnet-4-5@20250929, mistral-medium-2508, command-a-03-2025,
# grok-4-0709, gemini-2.5-flash-preview-05-20, and what is always the newest.
_RELEASE = re.compile(
    r"[-@](?:latest|\d{4}-\d{2}-\d{2}|20\d{6}|2\d(?:0[1-9]|1[0-2])|(?:0[1-9]|1[0-2])-20\d\d|0[1-9]\d\d|1[0-2]\d\d"
    r"|preview-\d{2}-(?:\d{2}|20\d{2}))$"
)
_VERSION_DOT = re.compile(r"(?<=\d)\.(?=\d)")


def names_of(model: str) -> Iterator[str]:
    """What a model may be known by, the most exact name first: `openai/gpt-4.1-2025-04-14` is also `gpt-4.1`."""
    name = model.rpartition("/")[2].lower()
    plain = _VERSION.sub("", _VENDOR.sub("", name))
    for candidate in dict.fromkeys((name, plain, _RELEASE.sub("", plain))):
        yield candidate
        # OpenRouter writes claude-sonnet-4.5 for what Anthropic calls claude-sonnet-4-5.
        if (dashed := _VERSION_DOT.sub("-", candidate)) != candidate:
            yield dashed


def look_up(model: str) -> CatalogEntry | None:
    """By the model's own name; a vendor in front (`openai/gpt-5`) and a release's date at the end may be there."""
    row = next((_ROWS[name] for name in names_of(model) if name in _ROWS), None)
    return CatalogEntry(*row) if row is not None else None


def names() -> frozenset[str]:
    return frozenset(_ROWS)
