"""What a site does not want said: rules, what each one does, and all of them together as a stream is held against them.

Pure. RE2 alone runs the patterns: its time is linear in the text, whatever a pattern says.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal
from unicodedata import normalize
from uuid import UUID

from msgspec import Struct

from chat.moderation.folding import folded
from chat.moderation.patterns import BadPattern, Node, literal, parse
from chat.moderation.recognisers import RECOGNISERS, Recogniser

if TYPE_CHECKING:
    import re2

Kind = Literal["literal", "regex", "email", "phone", "card", "cn_id", "length"]
Action = Literal["flag", "mask", "block", "stop"]

STRICTNESS: Final[dict[str, int]] = {"flag": 0, "mask": 1, "stop": 2, "block": 3}
MOST_LONGEST: Final = 1000
"""Characters that a stream may hold back for one rule."""
MOST_LENGTH: Final = 1_000_000
MOST_PATTERN: Final = 2000
MEMORY_BYTES: Final = 64 << 20
"""Of one compiled set, at most; far less is used."""
MASKED: Final = "[removed]"
UNFIT_IN_LABELS: Final = frozenset('"\\')

NO_RE2: Final = (
    "Rules need the package google-re2, which is not installed on this system. There are wheels of it for Linux, macOS "
    "and Windows; elsewhere it has to be built."
)


class BadRule(ValueError):
    """`field` is the one that is wrong; the text says why."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


class Rule(Struct, frozen=True):
    """As staff have written it. `longest` is the longest match in characters; for the kind `length`, what a text may
    have."""

    key: UUID
    name: str
    kind: Kind
    pattern: str
    longest: int
    action: Action
    label: str = ""
    """What a masked match is replaced by; "" for what its kind is called."""


def is_available() -> bool:
    """Whether rules can be run on this system."""
    try:
        import re2  # noqa: F401  (without a wheel the rest of the product still works)
    except ImportError:
        return False
    return True


def _compiled(pattern: str) -> "re2._Regexp[bytes]":
    try:
        import re2
    except ImportError:
        raise BadPattern(NO_RE2) from None
    options = re2.Options()
    options.longest_match = True
    options.log_errors = False
    options.max_mem = MEMORY_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        words = error.args[0]
        raise BadPattern(
            words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        ) from None


@lru_cache(maxsize=1)
def _written_otherwise() -> dict[str, list[str]]:
    """What case folding makes several characters of one, such as ss of ß."""
    found: dict[str, list[str]] = {}
    for code in range(0x80, 0x20000):
        if len(long := chr(code).casefold()) > 1:
            found.setdefault(long, []).append(chr(code))
    return found


def literal_pattern(words: str) -> str:
    """Whatever the case, and however its accents are composed."""
    forms = dict.fromkeys(normalize(form, folded(words)).casefold() for form in ("NFC", "NFD"))
    return "(?i)(?:" + "|".join(_in_any_case(form) for form in forms) + ")"


def _in_any_case(words: str) -> str:
    otherwise = _written_otherwise()
    pieces: list[str] = []
    at = 0
    while at < len(words):
        for width in (3, 2):
            if singles := otherwise.get(words[at : at + width]):
                forms = [literal(words[at : at + width]), *map(literal, singles)]
                pieces.append(f"(?:{'|'.join(forms)})")
                at += width
                break
        else:
            pieces.append(literal(words[at]))
            at += 1
    return "".join(pieces)


class CompiledRule:
    """One that a text is searched for."""

    def __init__(self, rule: Rule, node: Node, recogniser: Recogniser | None, order: int) -> None:
        self.rule = rule
        self.node = node
        self.longest = rule.longest
        self.is_bounded = node.most <= rule.longest
        self.strictness = STRICTNESS[rule.action]
        self.order = order
        self.label = rule.label or (recogniser.label if recogniser is not None else MASKED)
        self.search = _compiled(node.source).search
        self._recogniser = recogniser
        self._match = _compiled(node.source).match

    def end_of(self, text: str, start: int, end: int) -> int | None:
        """Where the match that begins there ends; `end` is where the longest one does. None: it is none."""
        if end - start > self.longest:
            cut = self._cut(text, start)
            if cut is None:
                return None
            end = cut
        recogniser = self._recogniser
        if recogniser is None:
            return end
        for last in range(end, start + min(recogniser.shortest, end - start) - 1, -1):
            if recogniser.accepts(text, start, last):
                return last
        return None

    def _cut(self, text: str, start: int) -> int | None:
        """The longest match within what the rule may have."""
        encoded = text.encode()
        first = len(text[:start].encode())
        last = first + len(text[start : start + self.longest].encode())
        found = self._match(encoded, first, last)
        return None if found is None else start + len(encoded[first : found.end()].decode())


def compiled(rule: Rule, order: int = 0) -> CompiledRule:
    """
    Raises:
        BadRule: it cannot be run.
    """
    recogniser = RECOGNISERS.get(rule.kind)
    if recogniser is None and not 1 <= len(rule.pattern) <= MOST_PATTERN:
        raise BadRule("pattern", f"It has 1 to {MOST_PATTERN} characters.")
    try:
        if recogniser is not None:
            node = parse(recogniser.pattern)
        else:
            node = parse(literal_pattern(rule.pattern) if rule.kind == "literal" else rule.pattern)
        made = CompiledRule(rule, node, recogniser, order)
        _compiled(f"(?:{node.beginnings})\\z")
    except BadPattern as error:
        raise BadRule("pattern", str(error)) from None
    if node.least < 1:
        raise BadRule("pattern", "It would match nothing at all, which stands everywhere.")
    return made


def checked(rule: Rule) -> None:
    """
    Raises:
        BadRule: it cannot be run, or would never match.
    """
    if rule.kind == "length":
        if not 1 <= rule.longest <= MOST_LENGTH:
            raise BadRule("longest_match", f"A text may have 1 to {MOST_LENGTH} characters.")
        return
    if not 1 <= rule.longest <= MOST_LONGEST:
        raise BadRule("longest_match", f"A match has 1 to {MOST_LONGEST} characters.")
    if UNFIT_IN_LABELS & set(rule.label) or not rule.label.isprintable():
        raise BadRule("label", "It stands within JSON too: without quotes and backslashes.")
    least = compiled(rule).node.least
    if least > rule.longest:
        raise BadRule("longest_match", f"The shortest match has {least} characters.")


def longest_of(kind: str, pattern: str) -> int | None:
    """What the longest match of such a rule has; None where its pattern has no end.

    Raises:
        BadRule
    """
    if (recogniser := RECOGNISERS.get(kind)) is not None:
        return recogniser.longest
    try:
        most = parse(literal_pattern(pattern) if kind == "literal" else pattern).most
    except BadPattern as error:
        raise BadRule("pattern", str(error)) from None
    return most if most <= MOST_LONGEST else None


class RuleSet:
    """Rules that one kind of text is held against, in the order in which they win where nothing else decides."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """
        Raises:
            BadRule: one of them cannot be run.
        """
        self.rules = tuple(compiled(rule, order) for order, rule in enumerate(rules) if rule.kind != "length")
        self.lengths = tuple(sorted((rule for rule in rules if rule.kind == "length"), key=_by_length))
        self.any: Any = None
        """Finds a match of any of them, or what looks like one."""
        self.open: Any = None
        """At a text's end: from where on any of them may yet match."""
        if self.rules:
            self.any = _compiled("|".join(f"(?:{rule.node.source})" for rule in self.rules)).search
            self.open = _open(self.rules)
        self.open_bounded: Any = None
        self.unbounded: tuple[tuple[CompiledRule, Any], ...] = ()
        loose = [rule for rule in self.rules if not rule.is_bounded]
        if loose:
            bounded = [rule for rule in self.rules if rule.is_bounded]
            self.open_bounded = _open(bounded) if bounded else None
            self.unbounded = tuple((rule, _open([rule])) for rule in loose)
        self.least_loose = min((rule.longest for rule in loose), default=0)
        """The shortest window of those whose pattern has no end, or one that they may not reach."""

    def __bool__(self) -> bool:
        return bool(self.rules or self.lengths)


def _by_length(rule: Rule) -> tuple[int, int]:
    return rule.longest, -STRICTNESS[rule.action]


def _open(rules: Sequence[CompiledRule]) -> Any:
    return _compiled(f"(?:{'|'.join(rule.node.beginnings for rule in rules)})\\z").search
