"""Lines of a price add up to what the ledger says."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from chat.llm.deltas import Usage
from chat.usage.price_lines import lines_of
from chat.usage.pricing import SMALLEST_AMOUNT, PriceList, cost_of

tokens = st.none() | st.integers(0, 10**7)
prices = st.decimals(0, 1000, places=6)
unsaid = st.none() | prices
usages = st.builds(Usage, tokens, tokens, tokens, tokens, tokens)
price_lists = st.builds(PriceList, prices, prices, unsaid, unsaid, unsaid)


def test_each_kind_of_token_has_a_line_at_its_price():
    usage = Usage(
        input_tokens=100, output_tokens=50, cached_tokens=60, cache_write_tokens=10, reasoning_tokens=20
    )
    price = PriceList(Decimal(3), Decimal(15), Decimal("0.3"), Decimal("3.75"), Decimal(10))

    assert [(line.kind, line.tokens, line.price, line.amount) for line in lines_of(usage, price)] == [
        ("cached", 60, Decimal("0.3"), Decimal("0.000018")),
        ("cache_write", 10, Decimal("3.75"), Decimal("0.0000375")),
        ("input", 30, Decimal(3), Decimal("0.00009")),
        ("reasoning", 20, Decimal(10), Decimal("0.0002")),
        ("output", 30, Decimal(15), Decimal("0.00045")),
    ]


def test_kinds_without_a_price_of_their_own_cost_as_plain_ones():
    usage = Usage(input_tokens=10, cached_tokens=10, output_tokens=5, reasoning_tokens=5)

    assert [line.price for line in lines_of(usage, PriceList(Decimal(3), Decimal(15)))] == [
        Decimal(3),
        Decimal(15),
    ]


def test_nothing_said_is_no_line():
    assert lines_of(Usage(), PriceList(Decimal(3), Decimal(15))) == []


@given(usage=usages, price=price_lists)
def test_they_add_up_to_the_cost_but_for_its_one_rounding(usage: Usage, price: PriceList):
    cost = cost_of(usage, price)
    total = sum((line.amount for line in lines_of(usage, price)), Decimal(0))

    assert abs(total - (cost or 0)) <= SMALLEST_AMOUNT / 2
