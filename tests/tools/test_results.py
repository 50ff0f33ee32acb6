"""What a model reads of what a tool returns."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.results import as_text, shortened


@dataclass
class Found:
    price: Decimal
    day: date


def test_a_text_stays_as_it_is():
    assert as_text('{"a":  1}') == '{"a":  1}'


def test_everything_else_is_json():
    assert (
        as_text([Found(Decimal("1.50"), date(2026, 1, 2)), None])
        == '[{"price":"1.50","day":"2026-01-02"},null]'
    )


def test_what_databases_refuse_is_replaced():
    assert as_text("a\0b\ud800c") == "a\ufffdb?c"


def test_what_is_no_json_is_an_error():
    with pytest.raises(TypeError):
        as_text(object())


def test_what_fits_is_not_touched():
    assert shortened("é" * 128, 256) == "é" * 128


def test_what_does_not_fit_says_how_much_is_there():
    assert shortened("x" * 1000, 300) == "x" * 220 + "\n[shortened to 220 of 1000 bytes]"


@given(st.text(st.sampled_from("aé漢😀"), min_size=200, max_size=900), st.integers(256, 1000))
def test_it_is_cut_between_two_characters_and_within_the_limit(text: str, most: int):
    short = shortened(text, most)

    assert len(short.encode()) <= most
    assert text.startswith(short.split("\n[")[0])
