"""Bars of days, in per cent."""

from decimal import Decimal

from chat.admin.bar_chart import bar_chart


def days(*amounts: str) -> list[tuple[str, str, Decimal]]:
    return [(f"{day} Mar", f"{amount} USD", Decimal(amount)) for day, amount in enumerate(amounts, start=1)]


def test_the_axis_ends_at_a_round_figure_above_the_tallest_bar():
    chart = bar_chart(days("0.7", "1.4", "0"), "USD")

    assert [mark.label for mark in chart.heights] == ["1 USD", "2 USD"]
    assert [bar.height for bar in chart.bars] == ["31.50%", "63.00%", "0.00%"]


def test_bars_stand_on_the_line_in_the_middle_of_their_day():
    [first, second] = bar_chart(days("1", "1"), "USD").bars

    assert (first.y, first.height) == ("10.00%", "90.00%")
    assert (first.x, first.width) == ("21.00%", "8.00%")
    assert second.x == "71.00%"


def test_the_first_the_middle_and_the_last_day_are_named():
    chart = bar_chart(days(*["1"] * 30), "USD")

    assert [(mark.label, mark.anchor) for mark in chart.days] == [
        ("1 Mar", "start"),
        ("15 Mar", "middle"),
        ("30 Mar", "end"),
    ]


def test_nothing_spent_is_an_axis_without_bars():
    chart = bar_chart(days("0"), "USD")

    assert chart.bars[0].height == "0.00%"
    assert bar_chart([], "USD").bars == ()
