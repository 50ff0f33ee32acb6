"""What one call cost, a line a kind of token: as `cost_of` counts it, and not rounded."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from chat.llm.deltas import Usage
from chat.usage.pricing import PriceList

Kind = Literal["cached", "cache_write", "input", "reasoning", "output"]


class PriceLine(Struct, frozen=True):
    """`price` is per million tokens, in the list's currency; `amount` is exact."""

    kind: Kind
    tokens: int
    price: Decimal
    amount: Decimal


def lines_of(usage: Usage, price: PriceList) -> list[PriceLine]:
    """The kinds of which there were tokens. Their amounts add up to `cost_of`, but for its rounding at nine places."""
    return [
        PriceLine(kind, tokens, per_million, (tokens * per_million).scaleb(-6))
        for kind, tokens, per_million in _kinds(usage, price)
        if tokens
    ]


def _kinds(usage: Usage, price: PriceList) -> Iterator[tuple[Kind, int, Decimal]]:
    cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    thought = usage.reasoning_tokens or 0
    # Input includes what was cached and written, output includes what was thought; never less than nothing is left.
    yield "cached", cached, price.input if price.cached_input is None else price.cached_input
    yield "cache_write", written, price.input if price.cache_write is None else price.cache_write
    yield "input", max((usage.input_tokens or 0) - cached - written, 0), price.input
    yield "reasoning", thought, price.output if price.reasoning is None else price.reasoning
    yield "output", max((usage.output_tokens or 0) - thought, 0), price.output
