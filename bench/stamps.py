"""A delta's text that tells when it was sent: five base-36 digits and a blank, e.g. `0k3f9 `.

The digits are the machine's monotonic clock in microseconds, modulo 36**5 (one minute). Sender and reader run on one
machine, so the difference is the one-way latency, and it survives any gluing together of deltas on the way.
"""

import time

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
MODULUS = 36**5
WIDTH = 6

_PAIRS = [(high + low).encode() for high in DIGITS for low in DIGITS]


def now_us() -> int:
    return time.monotonic_ns() // 1000


def stamp(us: int) -> bytes:
    rest, low = divmod(us % MODULUS, 1296)
    high, middle = divmod(rest, 1296)
    return DIGITS[high].encode() + _PAIRS[middle] + _PAIRS[low] + b" "


def age_us(digits: str, at_us: int) -> int:
    """How long before `at_us` the stamp (without its blank) was made. Raises ValueError on any other text."""
    return (at_us - int(digits, 36)) % MODULUS


class StampReader:
    """Takes one answer's text as it comes, however it was cut, and appends the age of each stamp to `ages_us`."""

    def __init__(self) -> None:
        self.received = 0
        self.first_at_us: int | None = None
        self._rest = ""

    def feed(self, text: str, at_us: int, ages_us: list[tuple[int, int]]) -> None:
        if self.first_at_us is None and text:
            self.first_at_us = at_us
        *whole, self._rest = (self._rest + text).split(" ")
        ages_us.extend((at_us, age_us(digits, at_us)) for digits in whole)
        self.received += len(whole)
