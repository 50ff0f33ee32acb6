"""What a model writes as arguments, and what it is told where they do not fit."""

from datetime import date
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from tools.arguments import read_arguments
from tools.base import tool
from tools.exceptions import BadArguments


class Line(Struct):
    sku: str
    count: int = 1


@tool()
def buy(
    lines: list[Line],
    speed: Literal["slow", "fast"] = "slow",
    limit: Annotated[int, Meta(ge=1, le=50)] = 5,
    day: date | None = None,
    price: float = 0.0,
) -> str:
    """Buys."""
    return ""


def words(arguments: str) -> str:
    with pytest.raises(BadArguments) as refused:
        read_arguments(buy, arguments)
    return str(refused.value)


def test_arguments_come_in_the_types_of_the_function():
    read = read_arguments(buy, '{"lines": [{"sku": "A1"}], "day": "2026-02-03", "price": 2}')

    assert read == {"lines": [Line("A1")], "day": date(2026, 2, 3), "price": 2.0}


def test_null_for_what_has_a_default_counts_as_left_out():
    assert read_arguments(buy, '{"lines": [], "speed": null, "day": null}') == {"lines": [], "day": None}


def test_a_nul_is_replaced_wherever_it_stands():
    read = read_arguments(buy, '{"lines": [{"sku": "A\\u0000\\\\u0000"}]}')

    assert read == {"lines": [Line("A\ufffd\\u0000")]}


def test_nothing_at_all_is_an_empty_object():
    @tool()
    def ping() -> str:
        """Answers."""
        return ""

    assert read_arguments(ping, "") == {}


def test_every_problem_is_said_at_once():
    said = words('{"lines": [{"sku": "A1", "count": "two"}], "speed": "warp", "limit": 70, "prise": 1}')

    assert said.splitlines() == [
        "The arguments for buy were not accepted, and nothing was run:",
        "- prise: there is no such parameter. Did you mean price?",
        '- lines[0].count: expected a whole number, got a text; got [{"sku": "A1", "count": "two"}].',
        '- speed: expected one of "fast", "slow"; got "warp".',
        "- limit: expected a whole number <= 50; got 70.",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{}", "- lines: is missing; expected a list."),
        ('{"lines": null}', "- lines: expected a list, got null; got null."),
        ('{"lines": [], "limit": "5"}', '- limit: expected a whole number, got a text; got "5".'),
        ('{"lines": [], "limit": 5.5}', "- limit: expected a whole number, got a number; got 5.5."),
        (
            '{"lines": [], "day": "31.12."}',
            '- day: expected a text of the format date or null; got "31.12.".',
        ),
        ('{"lines": [], "zzz": 1}', "- zzz: there is no such parameter. There are: lines, speed, limit, day, price."),
        ('{"lines": "\\ud800"}', "no valid JSON"),
        ("[1]", "- They must be one JSON object; got [1]."),
        ('{"lines": [', '- They are no valid JSON (Input data was truncated). They began with: "{\\"lines\\": ["'),
        ("[" * 5000, "no valid JSON"),
        ('{"lines": "' + "x" * 1_000_000 + '"}', "longer than 1000000 characters"),
    ],
)  # fmt: skip
def test_each_problem_has_its_words(arguments: str, said: str):
    assert said in words(arguments)


def test_what_came_is_shown_up_to_a_bound():
    assert len(words('{"lines": "' + "x" * 10_000 + '"}')) < 400
