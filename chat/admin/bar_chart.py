"""A bar a day, as SVG in per cent: it fits any width, and needs no style attribute. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

GAP: Final = 0.25
"""Of a day's width."""
WIDEST: Final = 8.0
"""Per cent: the bars of a few days are no walls."""
TOP: Final = 90.0
"""Per cent of the height that the tallest bar has; the axis' words stand below."""
_ROUND: Final = (1, 2, 5, 10)


class Bar(Struct, frozen=True):
    label: str
    value: str
    x: str
    y: str
    width: str
    height: str


class Mark(Struct, frozen=True):
    """A word at the axis."""

    place: str
    label: str
    anchor: str = "middle"


class Chart(Struct, frozen=True):
    bars: tuple[Bar, ...]
    heights: tuple[Mark, ...]
    days: tuple[Mark, ...]


def bar_chart(values: Sequence[tuple[str, str, Decimal]], unit: str) -> Chart:
    """`values`: the day's word, its figure in words, and its amount; each day of the period has one."""
    most = _round_up(max((amount for _label, _words, amount in values), default=Decimal(0)))
    day = 100 / max(1, len(values))
    bars = tuple(
        _bar(label, words, float(amount / most) * TOP, at * day, day)
        for at, (label, words, amount) in enumerate(values)
    )
    heights = tuple(
        Mark(f"{100 - TOP * share:.2f}%", f"{(most * Decimal(share)).normalize():f} {unit}")
        for share in (0.5, 1.0)
    )
    return Chart(bars, heights, tuple(_days(values, day)))


def _bar(label: str, words: str, height: float, x: float, day: float) -> Bar:
    width = min(day * (1 - GAP), WIDEST)
    return Bar(
        label,
        words,
        f"{x + (day - width) / 2:.2f}%",
        f"{100 - height:.2f}%",
        f"{width:.2f}%",
        f"{height:.2f}%",
    )


def _days(values: Sequence[tuple[str, str, Decimal]], day: float) -> list[Mark]:
    last = len(values) - 1
    if last < 0:
        return []
    if last < 2:
        return [Mark(f"{at * day + day / 2:.2f}%", values[at][0]) for at in range(last + 1)]
    middle = last // 2
    return [
        Mark("0%", values[0][0], "start"),
        Mark(f"{middle * day + day / 2:.2f}%", values[middle][0]),
        Mark("100%", values[last][0], "end"),
    ]


def _round_up(most: Decimal) -> Decimal:
    """The next of 1, 2, 5, 10 times a power of ten; 1 where there is nothing."""
    if most <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(most.adjusted())
    return next(power * step for step in _ROUND if power * step >= most)
