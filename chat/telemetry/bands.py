"""How an answer felt to who waited for it: good, slow or bad."""

from typing import Literal

from chat.conf import Bounds

Band = Literal["good", "slow", "bad"]


def rated(value: float, bounds: Bounds) -> Band:
    """`bounds` are where good ends and where bad begins; the first is the greater one where more is better."""
    good, bad = bounds
    if good > bad:
        value, good, bad = -value, -good, -bad
    if value < good:
        return "good"
    return "slow" if value <= bad else "bad"
