"""What can be recognised without a pattern of one's own: addresses, numbers of phones, payment cards and persons.

A pattern finds what may be one, a check on its characters says whether it is. All see the folded text.
"""

from collections.abc import Callable
from datetime import date
from typing import Final

from msgspec import Struct

Accepts = Callable[[str, int, int], bool]
"""Of a text, a start and an end: whether that is one. It may look at one character on each side."""


class Recogniser(Struct, frozen=True):
    pattern: str
    longest: int
    """In characters."""
    accepts: Accepts
    shortest: int
    """Where a match is refused, shorter ones from the same place are tried down to this."""
    label: str


def _never_wrong(_text: str, _start: int, _end: int) -> bool:
    return True


def _stands_alone(text: str, start: int, end: int) -> bool:
    """No digit goes on before or behind it: it is not a piece of a longer number."""
    return not text[start - 1 : start].isdigit() and not text[end : end + 1].isdigit()


def digits_of(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: from the right, every second digit doubled, its own digits added."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_card(text: str, start: int, end: int) -> bool:
    digits = digits_of(text[start:end])
    return (
        13 <= len(digits) <= 19
        and text[end - 1].isdigit()
        and len(set(digits)) > 1
        and _stands_alone(text, start, end)
        and passes_luhn(digits)
    )


RESIDENT_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
RESIDENT_CHECKS: Final = "10X98765432"
"""GB 11643-1999: ISO 7064 MOD 11-2 over the first seventeen digits."""


def resident_check(seventeen: str) -> str:
    total = sum(int(digit) * weight for digit, weight in zip(seventeen, RESIDENT_WEIGHTS, strict=True))
    return RESIDENT_CHECKS[total % 11]


def _is_resident(text: str, start: int, end: int) -> bool:
    number = text[start:end].upper()
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    return _stands_alone(text, start, end) and resident_check(number[:17]) == number[17]


def _is_phone(text: str, start: int, end: int) -> bool:
    """Shorter ones only with their country: others have all their digits."""
    digits = digits_of(text[start:end])
    least = 7 if text.startswith(("+", "00"), start) else 10
    return _stands_alone(text, start, end) and least <= len(digits) <= 17


_SEPARATOR: Final = r"[ .\-]?"
_INTERNATIONAL: Final = rf"(?:\+|00)[1-9](?:{_SEPARATOR}\(?[0-9]\)?){{6,14}}"
"""E.164: at most fifteen digits with the country's."""
_UNITED_STATES: Final = r"(?:1[ .\-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .\-])[2-9][0-9]{2}[ .\-][0-9]{4}"
_CHINA_MOBILE: Final = rf"1[3-9][0-9]{_SEPARATOR}[0-9]{{4}}{_SEPARATOR}[0-9]{{4}}"
_CHINA_LINE: Final = r"(?:\(0[1-9][0-9]{1,2}\) ?|0[1-9][0-9]{1,2}[ \-])[2-9][0-9]{6,7}"

RECOGNISERS: Final[dict[str, Recogniser]] = {
    "email": Recogniser(
        # Names in ASCII, as nearly all are: a sentence without spaces would else be held back as one name.
        r"[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,4}[A-Za-z]{2,24}",
        345,
        _never_wrong,
        345,
        "[e-mail]",
    ),
    "phone": Recogniser(
        f"{_INTERNATIONAL}|{_UNITED_STATES}|{_CHINA_MOBILE}|{_CHINA_LINE}", 64, _is_phone, 7, "[phone]"
    ),
    "card": Recogniser(r"[0-9](?:[ \-]?[0-9]){12,18}", 37, _is_card, 13, "[card]"),
    "cn_id": Recogniser(
        r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]",
        18,
        _is_resident,
        18,
        "[ID number]",
    ),
}
