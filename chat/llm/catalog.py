"""What is commonly known of common models: context window, longest answer, abilities, list price.

Read off the vendors' public pages in early 2026. List prices change, and long prompts, batches and regions have their
own: this is where a new model starts, and `add_provider --price` or the admin says otherwise. Models whose weights
are open have no entry: their window and price are whatever the server that runs them makes of it.
"""

import re
from decimal import Decimal

from msgspec import Struct

CURRENCY = "USD"


class CatalogEntry(Struct, frozen=True):
    """Windows in tokens; prices in USD per million tokens, None where it is the plain input price."""

    context_window: int
    max_output_tokens: int
    capabilities: tuple[str, ...]
    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None


_SEES = ("tools", "vision")
_THINKS = ("tools", "reasoning")
_BOTH = ("tools", "vision", "reasoning")

# name: window, longest answer, abilities, input, output, cached input, cache write
_ROWS: dict[str, tuple[int, int, tuple[str, ...], str, str, str, str]] = {
    "gpt-5.2": (400_000, 128_000, _BOTH, "1.75", "14", "0.175", ""),
    "gpt-5.1": (400_000, 128_000, _BOTH, "1.25", "10", "0.125", ""),
    "gpt-5": (400_000, 128_000, _BOTH, "1.25", "10", "0.125", ""),
    "gpt-5-mini": (400_000, 128_000, _BOTH, "0.25", "2", "0.025", ""),
    "gpt-5-nano": (400_000, 128_000, _BOTH, "0.05", "0.4", "0.005", ""),
    "gpt-4.1": (1_047_576, 32_768, _SEES, "2", "8", "0.5", ""),
    "gpt-4.1-mini": (1_047_576, 32_768, _SEES, "0.4", "1.6", "0.1", ""),
    "gpt-4.1-nano": (1_047_576, 32_768, _SEES, "0.1", "0.4", "0.025", ""),
    "gpt-4o": (128_000, 16_384, _SEES, "2.5", "10", "1.25", ""),
    "gpt-4o-mini": (128_000, 16_384, _SEES, "0.15", "0.6", "0.075", ""),
    "gpt-4-turbo": (128_000, 4_096, _SEES, "10", "30", "", ""),
    "gpt-3.5-turbo": (16_385, 4_096, ("tools",), "0.5", "1.5", "", ""),
    "o1": (200_000, 100_000, _BOTH, "15", "60", "7.5", ""),
    "o3": (200_000, 100_000, _BOTH, "2", "8", "0.5", ""),
    "o3-mini": (200_000, 100_000, _THINKS, "1.1", "4.4", "0.55", ""),
    "o4-mini": (200_000, 100_000, _BOTH, "1.1", "4.4", "0.275", ""),
    "claude-opus-4-6": (200_000, 128_000, _BOTH, "5", "25", "0.5", "6.25"),
    "claude-opus-4-5": (200_000, 64_000, _BOTH, "5", "25", "0.5", "6.25"),
    "claude-opus-4-1": (200_000, 32_000, _BOTH, "15", "75", "1.5", "18.75"),
    "claude-opus-4": (200_000, 32_000, _BOTH, "15", "75", "1.5", "18.75"),
    "claude-sonnet-4-6": (200_000, 64_000, _BOTH, "3", "15", "0.3", "3.75"),
    "claude-sonnet-4-5": (200_000, 64_000, _BOTH, "3", "15", "0.3", "3.75"),
    "claude-sonnet-4": (200_000, 64_000, _BOTH, "3", "15", "0.3", "3.75"),
    "claude-3-7-sonnet": (200_000, 64_000, _BOTH, "3", "15", "0.3", "3.75"),
    "claude-haiku-4-5": (200_000, 64_000, _BOTH, "1", "5", "0.1", "1.25"),
    "claude-3-5-haiku": (200_000, 8_192, _SEES, "0.8", "4", "0.08", "1"),
    "claude-3-haiku": (200_000, 4_096, _SEES, "0.25", "1.25", "0.03", "0.3"),
    "gemini-3-pro-preview": (1_048_576, 65_536, _BOTH, "2", "12", "0.2", ""),
    "gemini-3-flash-preview": (1_048_576, 65_536, _BOTH, "0.5", "3", "0.05", ""),
    "gemini-2.5-pro": (1_048_576, 65_536, _BOTH, "1.25", "10", "0.125", ""),
    "gemini-2.5-flash": (1_048_576, 65_536, _BOTH, "0.3", "2.5", "0.03", ""),
    "gemini-2.5-flash-lite": (1_048_576, 65_536, _BOTH, "0.1", "0.4", "0.01", ""),
    "gemini-2.0-flash": (1_048_576, 8_192, _SEES, "0.1", "0.4", "0.025", ""),
    "deepseek-chat": (128_000, 8_192, ("tools",), "0.28", "0.42", "0.028", ""),
    "deepseek-reasoner": (128_000, 65_536, _THINKS, "0.28", "0.42", "0.028", ""),
    "grok-4": (256_000, 256_000, _BOTH, "3", "15", "0.75", ""),
    "grok-3": (131_072, 131_072, ("tools",), "3", "15", "0.75", ""),
    "grok-3-mini": (131_072, 131_072, _THINKS, "0.3", "0.5", "0.075", ""),
}

# A release's date, a preview's or "the newest": gpt-4o-2024-08-06, claude-sonnet-4-5-20250929, grok-4-0709.
_RELEASE = re.compile(r"-(?:latest|\d{4}-\d{2}-\d{2}|\d{8}|0[1-9]\d\d|1[0-2]\d\d)$")
_VERSION_DOT = re.compile(r"(?<=\d)\.(?=\d)")


def look_up(model: str) -> CatalogEntry | None:
    """By the model's own name; a vendor in front (`openai/gpt-5`) and a release's date at the end may be there."""
    name = model.rpartition("/")[2].lower()
    for candidate in (name, _RELEASE.sub("", name)):
        # OpenRouter writes claude-sonnet-4.5 for what Anthropic calls claude-sonnet-4-5.
        row = _ROWS.get(candidate) or _ROWS.get(_VERSION_DOT.sub("-", candidate))
        if row:
            return _entry(row)
    return None


def names() -> frozenset[str]:
    return frozenset(_ROWS)


def _entry(row: tuple[int, int, tuple[str, ...], str, str, str, str]) -> CatalogEntry:
    window, longest, capabilities, *prices = row
    read, written, cached, cache_write = (Decimal(price) if price else None for price in prices)
    assert read is not None  # noqa: S101  (every row has both)
    assert written is not None  # noqa: S101
    return CatalogEntry(window, longest, capabilities, read, written, cached, cache_write)
