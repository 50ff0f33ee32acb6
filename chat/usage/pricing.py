"""What a model call costs, and how many tokens a text has where nobody said. Pure; money is `Decimal` throughout."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from math import ceil
from typing import Protocol

from msgspec import Struct

from chat.llm.deltas import Usage

SMALLEST_AMOUNT = Decimal("0.000000001")
"""The ledger keeps nine places."""
COST_LIMIT = Decimal(10) ** 6
"""Of one call, to nine places: SQLite keeps fifteen digits. A provider that reports more has miscounted."""


class PriceRow(Protocol):
    """What a stored price has; chat.models.Price is one."""

    input: Decimal
    output: Decimal
    cached_input: Decimal | None
    cache_write: Decimal | None
    reasoning: Decimal | None
    currency: str


class PriceList(Struct, frozen=True):
    """Per million tokens. None: as plain input (`cached_input`, `cache_write`) or plain output (`reasoning`).

    `msgspec.to_builtins` makes the decimal strings that the ledger keeps, `msgspec.convert` reads them.
    """

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    currency: str = "USD"

    @classmethod
    def of(cls, row: PriceRow) -> "PriceList":
        return cls(row.input, row.output, row.cached_input, row.cache_write, row.reasoning, row.currency)


def cost_of(usage: Usage, price: PriceList) -> Decimal | None:
    """In `price.currency`, to nine places, rounded once; None where no counter is known.

    A kind priced apart is taken out of the sum that includes it. An unknown counter counts as what is known to be
    in it, so the figure is then the least it can have been.
    """
    if usage == Usage():
        return None
    usage = usage.together()
    cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    thought = usage.reasoning_tokens or 0
    # Some providers contradict themselves (more cached than read); what is left is never below nothing.
    read = max((usage.input_tokens or 0) - cached - written, 0)
    said = max((usage.output_tokens or 0) - thought, 0)
    per_million = (
        read * price.input
        + cached * _or(price.cached_input, price.input)
        + written * _or(price.cache_write, price.input)
        + said * price.output
        + thought * _or(price.reasoning, price.output)
    )
    return per_million.scaleb(-6).quantize(SMALLEST_AMOUNT, ROUND_HALF_EVEN)


def charged(usage: Usage, price: PriceList | None) -> tuple[Decimal | None, str]:
    """Cost and currency as the ledger has them: none, and "", where there is no price or no counter, or too much."""
    cost = cost_of(usage, price) if price is not None else None
    if price is None or cost is None or cost >= COST_LIMIT:
        return None, ""
    return cost, price.currency


def _or(price: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if price is None else price


# Characters a token, by script; twelfths of a token a character, so that the sum is exact.
_LATIN_TWELFTHS = 3  # 4 characters a token
_CJK_TWELFTHS = 8  # 1.5
_OTHER_TWELFTHS = 6  # 2: Cyrillic, Arabic, Devanagari, emoji

# Latin with its accents and the punctuation typographers use; then kana, Han, Hangul and their full-width forms.
_LATIN = re.compile(r"[\u0000-\u024f\u1e00-\u1eff\u2000-\u206f]+")
_CJK = re.compile(
    r"[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]+"
)


def estimate_tokens(text: str) -> int:
    """Used where the provider reports nothing: about four Latin characters a token, two in other scripts, one and
    a half in Chinese, Japanese and Korean; rounded up. Tokenizers differ by about a quarter either way."""
    if text.isascii():
        return ceil(len(text) * _LATIN_TWELFTHS / 12)
    latin = sum(len(piece) for piece in _LATIN.findall(text))
    cjk = sum(len(piece) for piece in _CJK.findall(text))
    other = len(text) - latin - cjk
    return -(-(latin * _LATIN_TWELFTHS + cjk * _CJK_TWELFTHS + other * _OTHER_TWELFTHS) // 12)
