"""What rendering may cost, so that no text can hold up the page (twin of chat/frontend/src/markdown/bounds.ts).

Weights are about the microseconds a step takes here, on the high side, and depend on the text alone, so that both sides
stop in the same place. A usual answer weighs some thousands. Beyond the bounds nothing is lost: it is shown as written.
"""

import re
from collections.abc import Iterable, MutableMapping
from typing import Any

from markdown_it.rules_core import StateCore
from markdown_it.token import Token

# Lines, for the block structure; inline content, for emphasis and links. Each of them, spent whole, is half a second.
MOST_LINES_WEIGHT = 400_000
MOST_INLINE_WEIGHT = 500_000
# Brackets times marks of one paragraph: each bracket may look through all that follows it.
MOST_BRACKET_STEPS = 100_000
# markdown-it would drop what is nested deeper.
MAX_NESTING = 50

_BLANK_OR_CODE = 2
_LINE = 20
_DEFINITION = 20
_COLUMN = 3
_LEVEL = 5
_LONGEST_PREFIX = 5_000

_BLANK = re.compile(r"[ \t]*\Z")
_PREFIX = re.compile(
    r"(?:[ \t>]|[-+*](?=[ \t]|\Z)|[0-9]{1,9}[.)](?=[ \t]|\Z)){0,%d}" % _LONGEST_PREFIX  # noqa: UP031 - braces
)
_DELIMITERS = re.compile(r"[ \t>|:-]+\Z")
_FENCE = re.compile(r"(`{3,}(?=[^`]*\Z)|~{3,})")
_NESTED_FENCE = re.compile(r"[ \t>*+\-0-9.)]+(?:```|~~~)")
_CLOSING = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*\Z")
_NEWLINES = re.compile(r"\r\n?")


def normalized(source: str) -> str:
    return _NEWLINES.sub("\n", source).replace("\0", "\ufffd")


class _Scale:
    """Weighs line by line. Depth and columns last until a blank line: a lazy line belongs to all that is open."""

    def __init__(self) -> None:
        self._carried = 0
        self._fence = ""
        # After a fence inside a list or quote it is not certain any more which fence opens and which closes.
        self._certain = True

    def weigh(self, line: str) -> int:
        if self._fence:
            closing = _CLOSING.match(line)
            if closing and closing[1].startswith(self._fence):
                self._fence = ""
            return _BLANK_OR_CODE
        if _BLANK.match(line):
            self._carried = 0
            return _BLANK_OR_CODE
        opening = _FENCE.match(line)
        if opening and self._certain:
            self._fence = opening[1]
            self._carried = 0
            return _LINE
        if self._certain and _NESTED_FENCE.match(line):
            self._certain = False
        return self._weigh_text(line)

    def _weigh_text(self, line: str) -> int:
        found = _PREFIX.match(line)
        prefix = len(found[0]) if found else 0
        if prefix >= _LONGEST_PREFIX:
            return MOST_LINES_WEIGHT + 1
        columns = _COLUMN * _cells(line) if "|" in line and _DELIMITERS.match(line) else 0
        self._carried = max(self._carried, prefix, columns)
        definition = _DEFINITION if line.startswith("[", prefix) else 0
        return _LINE + definition + _LEVEL * (prefix + self._carried)


def _cells(delimiters: str) -> int:
    return sum("-" in cell for cell in delimiters.split("|"))


def affordable_end(text: str) -> int:
    """Where the lines that may be Markdown end in normalized `text`: its length, as a rule."""
    scale = _Scale()
    weight = start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        weight += scale.weigh(text[start:end])
        if weight > MOST_LINES_WEIGHT:
            return start
        start = end + 1
    return len(text)


def line_start(text: str, line: int) -> int:
    start = 0
    for _ in range(line):
        start = text.find("\n", start) + 1
    return start


def units(text: str) -> int:
    """The length JavaScript sees."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


_MARKS = "\n!#$%&*+-:<=>@[\\]^_`{}~"


def stop_at_nesting(state: StateCore) -> None:
    """Tells `too_deep` (a line's number) where the first top-level block begins that nests too deep."""
    top = 0
    for token in state.tokens:
        if token.level == 0 and token.map:
            top = token.map[0]
        if token.level >= MAX_NESTING - 1:
            state.env["too_deep"] = top
            state.tokens = []
            return


def parse_inline(state: StateCore) -> None:
    """markdown-it's rule `inline`, but what would cost too much stays as it was written."""
    has_references = bool(state.env.get("references"))
    for token in state.tokens:
        if token.type != "inline":
            continue
        token.children = []
        weight, state.env["links"] = _weigh_inline(token.content, has_references)
        is_parsed = _spend(state.env, weight)
        if is_parsed:
            state.md.inline.parse(token.content, state.md, state.env, token.children)
        if not is_parsed or not _spend(state.env, sum(map(_weigh_address, token.children))):
            token.children = list(_as_written(token.content))


def _spend(env: MutableMapping[str, Any], weight: int) -> bool:
    spent = env.get("spent", 0) + weight
    if spent > MOST_INLINE_WEIGHT:
        return False
    env["spent"] = spent
    return True


def _weigh_inline(content: str, has_references: bool) -> tuple[int, bool]:
    """The weight, and whether its brackets may be links."""
    marks = sum(content.count(mark) for mark in _MARKS)
    weight = 10 + units(content) // 16 + 6 * marks
    if marks == 0:
        return weight, False
    weight += 60 * content.count("://") + 30 * content.count("@") + 15 * content.count("<")
    brackets = content.count("[")
    steps = brackets * marks
    has_links = "](" in content or (has_references and "]" in content)
    if not has_links or steps > MOST_BRACKET_STEPS:
        return weight, False
    return weight + 10 * brackets + steps, True


def _weigh_address(token: Token) -> int:
    """A reference of three characters may stand for a very long address."""
    written = (str(token.attrs.get(name, "")) for name in ("href", "src", "title"))
    return sum(map(units, written)) // 16 if token.attrs else 0


def _as_written(content: str) -> Iterable[Token]:
    for index, line in enumerate(content.split("\n")):
        if index:
            yield Token("softbreak", "br", 0)
        yield Token("text", "", 0, content=line)
