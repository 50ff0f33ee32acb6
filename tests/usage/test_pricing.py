"""What a call costs, against figures worked out by hand, and laws that hold for all figures."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.llm.deltas import Usage
from chat.models import Price
from chat.usage.pricing import PriceList, cost_of, estimate_tokens

PLAIN = PriceList(Decimal("2.5"), Decimal(10))
CACHED = PriceList(Decimal(3), Decimal(15), cached_input=Decimal("0.3"), cache_write=Decimal("3.75"))
THINKING = PriceList(Decimal(1), Decimal(4), reasoning=Decimal(8))


@pytest.mark.parametrize(
    ("usage", "price", "cost"),
    [
        # 1,000 × 2.5 + 500 × 10 = 7,500 millionths
        (Usage(1000, 500), PLAIN, "0.0075"),
        (Usage(0, 0), PLAIN, "0"),
        # Without a price of their own, cached and written tokens are plain input, thoughts are plain output.
        (Usage(1000, 500, 400, 300, 200), PLAIN, "0.0075"),
        # (1,000 - 600 - 100) × 3 + 600 × 0.3 + 100 × 3.75 + 50 × 15 = 900 + 180 + 375 + 750
        (Usage(1000, 50, 600, 100), CACHED, "0.002205"),
        # all of it read from the cache: 1,000 × 0.3
        (Usage(1000, 0, 1000), CACHED, "0.0003"),
        # 100 × 1 + (300 - 250) × 4 + 250 × 8 = 100 + 200 + 2,000
        (Usage(100, 300, reasoning_tokens=250), THINKING, "0.0023"),
        # one token at 2.5 a million
        (Usage(1, 0), PLAIN, "0.0000025"),
        # a billion tokens at the dearest price the column holds
        (Usage(10**9, 0), PriceList(Decimal("999999.999999"), Decimal(0)), "999999999.999"),
        # 1 × 0.0005 = 0.0000000005: rounded to even at the ninth place
        (Usage(1, 0), PriceList(Decimal("0.0005"), Decimal(0)), "0.000000000"),
        (Usage(3, 0), PriceList(Decimal("0.0005"), Decimal(0)), "0.000000002"),
    ],
)
def test_costs_worked_out_by_hand(usage: Usage, price: PriceList, cost: str):
    assert cost_of(usage, price) == Decimal(cost)


def test_nothing_known_has_no_cost():
    assert cost_of(Usage(), PLAIN) is None


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(input_tokens=1000), "0.003"),
        (Usage(output_tokens=100), "0.0015"),
        # of an unknown input at least the cached part was read
        (Usage(cached_tokens=1000, output_tokens=100), "0.0018"),
        (Usage(reasoning_tokens=100), "0.0015"),
    ],
)
def test_what_is_known_is_the_least_it_can_have_cost(usage: Usage, cost: str):
    assert cost_of(usage, CACHED) == Decimal(cost)


def test_a_provider_that_contradicts_itself_gives_no_credit():
    more_cached_than_read = Usage(input_tokens=10, output_tokens=0, cached_tokens=100)

    assert cost_of(more_cached_than_read, CACHED) == Decimal("0.00003")


tokens = st.none() | st.integers(0, 10**9)
amounts = st.decimals(0, 999_999, places=6)
usages = st.builds(Usage, tokens, tokens, tokens, tokens, tokens)
prices = st.builds(PriceList, amounts, amounts, st.none() | amounts, st.none() | amounts, st.none() | amounts)


@given(usages, prices)
def test_a_cost_is_never_negative_and_has_at_most_nine_places(usage: Usage, price: PriceList):
    cost = cost_of(usage, price)

    if usage == Usage():
        assert cost is None
    else:
        assert cost is not None
        assert cost >= 0
        assert cost == round(cost, 9)


@given(usages, prices, st.sampled_from(["input_tokens", "output_tokens"]), st.integers(1, 10**6))
def test_more_tokens_never_cost_less(usage: Usage, price: PriceList, counter: str, more: int):
    larger = msgspec.structs.replace(usage, **{counter: (getattr(usage, counter) or 0) + more})

    assert (cost_of(larger, price) or 0) >= (cost_of(usage, price) or 0)


@given(usages, prices, st.sampled_from(["input", "output"]), amounts)
def test_a_higher_price_never_costs_less(usage: Usage, price: PriceList, kind: str, more: Decimal):
    dearer = msgspec.structs.replace(price, **{kind: getattr(price, kind) + more})

    assert (cost_of(usage, dearer) or 0) >= (cost_of(usage, price) or 0)


@given(prices)
def test_a_price_survives_the_ledger(price: PriceList):
    assert msgspec.convert(msgspec.to_builtins(price), PriceList) == price


def test_the_ledger_keeps_decimal_strings():
    assert msgspec.to_builtins(CACHED) == {
        "input": "3",
        "output": "15",
        "cached_input": "0.3",
        "cache_write": "3.75",
        "reasoning": None,
        "currency": "USD",
    }


def test_a_stored_price_becomes_a_price_list():
    row = Price(input=Decimal(3), output=Decimal(15), cached_input=Decimal("0.3"), currency="EUR")

    assert PriceList.of(row) == PriceList(Decimal(3), Decimal(15), Decimal("0.3"), currency="EUR")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("a", 1),
        ("four", 1),
        ("fours", 2),
        ("a" * 400, 100),
        ("Überstraße", 3),  # 10 × 1/4
        ("你好吗", 2),  # 3 × 2/3
        ("你好", 2),  # 2 × 2/3 = 1.33
        ("こんにちは、世界", 6),  # 8 × 2/3 = 5.33
        ("안녕하세요", 4),  # 5 × 2/3 = 3.33
        ("Привет", 3),  # 6 × 1/2
        ("GPT 模型", 3),  # 4 × 1/4 + 2 × 2/3 = 2.33
    ],
)
def test_estimates_worked_out_by_hand(text: str, expected: int):
    assert estimate_tokens(text) == expected


@given(st.text(), st.text())
def test_a_longer_text_never_has_fewer_tokens(text: str, more: str):
    assert estimate_tokens(text + more) >= estimate_tokens(text)


@given(st.text(min_size=1))
def test_a_text_has_at_least_one_token_and_never_more_than_characters(text: str):
    assert 1 <= estimate_tokens(text) <= len(text)
