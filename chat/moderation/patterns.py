"""RE2's pattern syntax, as far as a stream needs it: how wide a match is, and which texts are the beginning of one.

Of a pattern R that matches words, `beginnings` matches every prefix of those words, the empty one and the whole ones
too. Held against the end of what has come, it says from where on nothing is decided yet. RE2 itself cannot say that.
Syntax: https://github.com/google/re2/wiki/Syntax
"""

from typing import Final

from msgspec import Struct

UNBOUNDED: Final = 1 << 30
MOST_DEPTH: Final = 100
MOST_NODES: Final = 2000
MOST_REPEATS: Final = 1000
"""RE2's own limit."""


class BadPattern(ValueError):
    """The text says why, fit for whoever wrote it."""


class Node(Struct, frozen=True):
    """A piece of a pattern: `source` without capturing groups, and the width of what it matches in characters."""

    source: str
    beginnings: str
    least: int
    most: int


EMPTY: Final = Node("", "", 0, 0)


def parse(pattern: str) -> Node:
    """
    Raises:
        BadPattern: it is none, or nothing that a stream can be held against.
    """
    reader = _Reader(pattern)
    node = reader.alternatives("", 0)
    if reader.at < len(pattern):
        raise BadPattern("There is a ) too many.")
    return node


def literal(text: str) -> str:
    """A pattern that matches this text, to the letter."""
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in text)


_SPECIAL: Final = frozenset("\\.+*?()|[]{}^$-/#&~ ")
_ASSERTIONS: Final = frozenset("bBAz")
_FLAGS: Final = frozenset("imsU")


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._nodes = 0
        self.at = 0

    def _peek(self) -> str:
        return self._pattern[self.at : self.at + 1]

    def alternatives(self, flags: str, depth: int) -> Node:
        """Up to the group's end, or the pattern's."""
        if depth > MOST_DEPTH:
            raise BadPattern("The groups are nested too deeply.")
        branches: list[Node] = []
        items: list[Node] = []
        while (character := self._peek()) not in ("", ")"):
            if character == "|":
                self.at += 1
                branches.append(_concatenated(items))
                items = []
            elif self._pattern.startswith("(?", self.at) and (changed := self._flags(flags)) is not None:
                flags = changed  # from here to the group's end
            elif self._pattern.startswith("\\Q", self.at):
                quoted = self._quoted(flags)
                # What follows it repeats its last character.
                items += [*quoted[:-1], *map(self._repeated, quoted[-1:])]
            else:
                items.append(self._repeated(self._one(flags, depth)))
        branches.append(_concatenated(items))
        return _either(branches)

    def _flags(self, flags: str) -> str | None:
        """Of `(?i)` alone; None where it begins a group."""
        end = self._pattern.find(")", self.at)
        inside = self._pattern[self.at + 2 : end]
        if end < 0 or not inside or not set(inside) <= _FLAGS | {"-"}:
            return None
        self.at = end + 1
        return _changed(flags, inside)

    def _one(self, flags: str, depth: int) -> Node:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise BadPattern("The pattern is too long.")
        character = self._peek()
        if character == "(":
            return self._group(flags, depth)
        if character == "[":
            return _atom(self._class(), flags)
        if character == "\\":
            return self._escape(flags)
        if character in "*+?":
            raise BadPattern(f"There is nothing that {character} could repeat.")
        self.at += 1
        if character in "^$":
            return _assertion(character, flags)
        return _atom(character, flags)

    def _group(self, flags: str, depth: int) -> Node:
        self.at += 1
        if self._peek() == "?":
            end = self._pattern.find(":", self.at)
            name = self._pattern.find(">", self.at)
            if self._pattern.startswith(("?P<", "?<"), self.at) and not self._pattern.startswith(
                ("?<=", "?<!"), self.at
            ):
                self.at = name + 1
            elif end > 0 and set(self._pattern[self.at + 1 : end]) <= _FLAGS | {"-"}:
                flags = _changed(flags, self._pattern[self.at + 1 : end])
                self.at = end + 1
            else:
                raise BadPattern("RE2 knows no look-around and no groups of this kind.")
        node = self.alternatives(flags, depth + 1)
        if self._peek() != ")":
            raise BadPattern("A ) is missing.")
        self.at += 1
        return node

    def _class(self) -> str:
        start = self.at
        self.at += 1
        if self._peek() == "^":
            self.at += 1
        first = True
        while (character := self._peek()) != "]" or first:
            first = False
            if not character:
                raise BadPattern("A ] is missing.")
            if self._pattern.startswith("[:", self.at) and (end := self._pattern.find(":]", self.at)) > 0:
                self.at = end + 2
            else:
                self.at += 2 if character == "\\" else 1
        self.at += 1
        return self._pattern[start : self.at]

    def _escape(self, flags: str) -> Node:
        start = self.at
        letter = self._pattern[start + 1 : start + 2]
        if not letter:
            raise BadPattern("There is nothing behind the last \\.")
        if letter == "C":
            raise BadPattern("\\C matches bytes; a text is matched by characters.")
        self.at += 2
        if letter in _ASSERTIONS:
            return _assertion(f"\\{letter}", flags)
        if letter in "pPx" and self._peek() == "{":
            end = self._pattern.find("}", self.at)
            if end < 0:
                raise BadPattern("A } is missing.")
            self.at = end + 1
        elif letter in "pP":
            self.at += 1
        elif letter == "x":
            self.at += 2
        elif letter in "01234567":
            while self.at < start + 4 and self._peek() in tuple("01234567"):
                self.at += 1
        return _atom(self._pattern[start : self.at], flags)

    def _quoted(self, flags: str) -> list[Node]:
        end = self._pattern.find("\\E", self.at)
        text = self._pattern[self.at + 2 : end if end >= 0 else None]
        self.at = end + 2 if end >= 0 else len(self._pattern)
        return [_atom(literal(character), flags) for character in text]

    def _repeated(self, node: Node) -> Node:
        while (times := self._times()) is not None:
            node = _times(node, *times)
        return node

    def _times(self) -> tuple[int, int] | None:
        character = self._peek()
        if character in ("*", "+", "?"):
            self.at += 1
            times = {"*": (0, UNBOUNDED), "+": (1, UNBOUNDED), "?": (0, 1)}[character]
        elif character == "{" and (counted := self._counted()) is not None:
            times = counted
        else:
            return None
        if self._peek() == "?":
            self.at += 1  # as little as possible: the longest match counts here anyway
        return times

    def _counted(self) -> tuple[int, int] | None:
        """None: this brace stands for itself."""
        end = self._pattern.find("}", self.at)
        low, comma, high = self._pattern[self.at + 1 : max(end, 0)].partition(",")
        if (
            end < 0
            or not (low.isascii() and low.isdigit())
            or (high and not (high.isascii() and high.isdigit()))
        ):
            return None
        self.at = end + 1
        least = int(low)
        most = int(high) if high else UNBOUNDED if comma else least
        if least > MOST_REPEATS or (most != UNBOUNDED and most > MOST_REPEATS) or most < least:
            raise BadPattern(f"Nothing can be repeated {{{low}{comma}{high}}} times.")
        return least, most


def _changed(flags: str, change: str) -> str:
    on, _, off = change.partition("-")
    return "".join(sorted((set(flags) | set(on)) - set(off) - {"U"}))


def _flagged(source: str, flags: str) -> str:
    return f"(?{flags}:{source})" if flags else source


def _atom(source: str, flags: str) -> Node:
    source = _flagged(source, flags)
    return Node(source, f"(?:{source})?", 1, 1)


def _assertion(source: str, flags: str) -> Node:
    return Node(_flagged(source, flags), "", 0, 0)


def _concatenated(items: list[Node]) -> Node:
    whole = EMPTY
    for item in reversed(items):
        # What begins it ends within its first piece, or has all of that and begins the rest.
        beginnings = (
            _or(item.beginnings, item.source + whole.beginnings) if whole is not EMPTY else item.beginnings
        )
        whole = Node(
            item.source + whole.source,
            beginnings,
            item.least + whole.least,
            min(UNBOUNDED, item.most + whole.most),
        )
    return whole


def _or(beginnings: str, further: str) -> str:
    if beginnings in ("", f"(?:{further})?"):
        return f"(?:{further})?"
    if beginnings.endswith(")?") and further.startswith(beginnings[3:-2]) and beginnings.startswith("(?:"):
        return f"(?:{further})?"  # a single character: with it, or nothing
    return f"(?:{beginnings}|{further})"


def _either(branches: list[Node]) -> Node:
    if len(branches) == 1:
        return Node(
            f"(?:{branches[0].source})", f"(?:{branches[0].beginnings})", branches[0].least, branches[0].most
        )
    return Node(
        f"(?:{'|'.join(branch.source for branch in branches)})",
        f"(?:{'|'.join(branch.beginnings for branch in branches)})",
        min(branch.least for branch in branches),
        max(branch.most for branch in branches),
    )


def _times(node: Node, least: int, most: int) -> Node:
    before = UNBOUNDED if most == UNBOUNDED else max(0, most - 1)
    source = f"(?:{node.source})"
    return Node(
        source + _braces(least, most),
        f"(?:{source}{_braces(0, before)}{node.beginnings})" if before else node.beginnings if most else "",
        node.least * least,
        0
        if not (node.most and most)
        else UNBOUNDED
        if most == UNBOUNDED
        else min(UNBOUNDED, node.most * most),
    )


def _braces(least: int, most: int) -> str:
    if most == UNBOUNDED:
        return {0: "*", 1: "+"}.get(least, f"{{{least},}}")
    return f"{{{least},{most}}}"
