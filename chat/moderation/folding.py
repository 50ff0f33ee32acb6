"""A text as rules look at it: full-width and decorated letters as plain ones, without what nobody sees between them.

Character by character, so that it does not matter where a text is cut. What is shown is always the text itself; each
character of the folded text knows where in it it stands.
"""

import unicodedata
from functools import lru_cache
from typing import Final

LAST_PLANE: Final = 0x20000
TAGS: Final = range(0xE0000, 0xE01F0)


@lru_cache(maxsize=1)
def _table() -> dict[int, str | None]:
    """Single characters that compatibility makes one ASCII character, and the invisible ones, which go.

    The bare surrogates stand for nothing; RE2 could not be shown them.
    """
    table: dict[int, str | None] = {}
    for code in range(0x80, LAST_PLANE):
        character = chr(code)
        if 0xD800 <= code < 0xE000:
            table[code] = "\ufffd"
        elif unicodedata.category(character) == "Cf" or 0xFE00 <= code < 0xFE10:
            table[code] = None
        elif (plain := unicodedata.normalize("NFKC", character)) != character and len(plain) == 1:
            if plain.isascii():
                table[code] = plain
        elif character.isdecimal():
            table[code] = str(unicodedata.decimal(character))
    table |= dict.fromkeys(TAGS)
    return table


def folded(text: str) -> str:
    return text if text.isascii() else text.translate(_table())


def is_mark(character: str) -> bool:
    """It belongs to the character before it."""
    return not character.isascii() and unicodedata.category(character)[0] == "M"


class FoldedText:
    """Grows at its end and is dropped from its beginning. Invisible characters belong to the one behind them."""

    __slots__ = ("_ends", "_raw", "text")

    def __init__(self) -> None:
        self.text = ""
        self._raw = ""
        self._ends: list[int] | None = None
        """Where each folded character ends in the text itself; None while both are of one length."""

    def add(self, chunk: str) -> None:
        plain = folded(chunk)
        if self._ends is not None or len(plain) != len(chunk):
            self._map(chunk)
        self._raw += chunk
        self.text += plain

    def _map(self, chunk: str) -> None:
        ends = self._ends if self._ends is not None else list(range(1, len(self.text) + 1))
        table = _table()
        for place, character in enumerate(chunk, len(self._raw) + 1):
            if table.get(ord(character), "") is not None:
                ends.append(place)
        self._ends = ends

    def _at(self, place: int) -> int:
        """Where the folded text's first `place` characters end in the text itself."""
        if self._ends is None or place == 0:
            return place
        return self._ends[place - 1]

    def between(self, start: int, end: int) -> str:
        """The text itself, of these places in the folded one."""
        return self._raw[self._at(start) : self._at(end)]

    @property
    def unseen_end(self) -> str:
        """Invisible characters that nothing has followed yet."""
        return self._raw[self._at(len(self.text)) :]

    def drop(self, count: int) -> None:
        """Its first characters."""
        if count <= 0:
            return
        cut = self._at(count)
        self.text, self._raw = self.text[count:], self._raw[cut:]
        if self._ends is not None:
            ends = [end - cut for end in self._ends[count:]]
            self._ends = ends if len(self._raw) != len(self.text) else None
