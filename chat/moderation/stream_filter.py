"""One text, held against rules while it comes: given out is what cannot be the beginning of a match any more.

The result is the same wherever the text is cut. Per rule its matches are the leftmost, longest ones that do not
overlap, each judged by no more than its own longest match. Where those of several rules overlap: one that ends the text
ends it, a mask covers what any of them covers, and of those that begin at the same place the strictest wins, then the
longest.
"""

from typing import Final

from msgspec import Struct

from chat.moderation.folding import FoldedText, is_mark
from chat.moderation.rules import STRICTNESS, CompiledRule, Rule, RuleSet

FOR_EVER: Final = 1 << 60
MOST_HITS: Final = 200
"""That one text remembers; what comes after them is dealt with and not noted."""


class Hit(Struct, frozen=True):
    """What a rule has found: from which character on, and how many. Not what was said there."""

    rule: Rule
    start: int
    length: int


class _Span(Struct, frozen=True):
    start: int
    end: int
    rule: Rule
    label: str
    order: int

    @property
    def rank(self) -> tuple[int, int, int, int]:
        return self.start, -STRICTNESS[self.rule.action], -self.end, self.order


class StreamFilter:
    """`add` as it comes, `finish` when it is whole; whoever breaks off drops the filter, and with it what it held."""

    __slots__ = (
        "_after_mask", "_base", "_lengths", "_masked_until", "_resume", "_rules", "_seen", "_text", "altered",
        "ended_by", "hits",
    )  # fmt: skip

    def __init__(self, rules: RuleSet) -> None:
        self.hits: list[Hit] = []
        """All so far, in order."""
        self.ended_by: Rule | None = None
        """The rule that ended the text; nothing more is given out."""
        self.altered = False
        """What was given out is not what came."""
        self._rules = rules
        self._text = FoldedText()
        self._base = 0
        """Where the kept text begins in all of it. Places are those of the folded text."""
        self._seen = 0
        """How many of the kept characters are decided: one stays, for what looks behind it."""
        self._masked_until = 0
        self._after_mask = False
        self._resume: dict[int, int] = {}
        self._lengths = list(rules.lengths)

    def add(self, chunk: str) -> str:
        """What can be shown now; maybe nothing yet."""
        if self.ended_by is not None or not chunk:
            return ""
        self._text.add(chunk)
        return self._decide(final=False)

    def finish(self) -> str:
        """What was held back. Nothing more will come."""
        if self.ended_by is not None:
            return ""
        out = self._decide(final=True)
        if self.ended_by is None and self._masked_until < FOR_EVER:
            out += self._text.unseen_end
        self._text = FoldedText()
        return out

    def _decide(self, *, final: bool) -> str:
        text = self._text.text
        encoded = text.encode()
        first = self._seen
        at = first if len(encoded) == len(text) else len(text[:first].encode())
        until = len(text) if final else self._undecided_from(text, encoded, at)
        nothing = self._rules.any is None or self._rules.any(encoded, at) is None
        if nothing and self._masked_until <= self._base + first and not self._too_long(until):
            out = self._shown(first, until)
        else:
            out = self._ruled(text, encoded, first, until)
        keep = max(0, until - 1)
        self._text.drop(keep)
        self._base += keep
        self._seen = until - keep
        return out

    # --- what is decided ----------------------------------------------------------------------------------

    def _undecided_from(self, text: str, encoded: bytes, at: int) -> int:
        """The leftmost place from where on some rule may yet match."""
        rules = self._rules
        if rules.open is None:
            return len(text)
        place = _characters(text, encoded, rules.open(encoded, at).start())
        if rules.unbounded and len(text) - place > rules.least_loose:
            place = len(text)
            if rules.open_bounded is not None:
                place = _characters(text, encoded, rules.open_bounded(encoded, at).start())
            for rule, search in rules.unbounded:
                window = max(at, len(text[: max(0, len(text) - rule.longest)].encode()))
                place = min(place, _characters(text, encoded, search(encoded, window).start()))
        return place

    def _too_long(self, until: int) -> bool:
        return bool(self._lengths) and self._lengths[0].longest < self._base + until

    # --- what becomes of it -------------------------------------------------------------------------------

    def _ruled(self, text: str, encoded: bytes, first: int, until: int) -> str:
        base = self._base
        spans = [
            span for rule in self._rules.rules for span in self._matches(rule, text, encoded, first, until)
        ]
        while self._too_long(until):
            rule = self._lengths.pop(0)
            end = rule.longest + 1 if rule.action == "flag" else FOR_EVER
            spans.append(_Span(rule.longest, end, rule, rule.label or "…", 0))
        out: list[str] = []
        shown = max(first, self._masked_until - base)
        for span in sorted(spans, key=lambda span: span.rank):
            action = span.rule.action
            if action in ("flag", "mask") and span.end <= self._masked_until:
                continue  # covered
            self._note(span)
            if action == "flag":
                continue
            self.altered = True
            start = span.start - base
            if start > shown or span.start >= self._masked_until:
                out.append(self._shown(shown, start))
                if action == "mask":
                    out.append(span.label)
            if action != "mask":
                self.ended_by = span.rule
                self._text = FoldedText()
                return "".join(out)
            self._masked_until, self._after_mask = span.end, True
            shown = span.end - base
        out.append(self._shown(shown, until))
        return "".join(out)

    def _shown(self, start: int, end: int) -> str:
        if start >= end:
            return ""
        if self._after_mask:
            # An accent on what is not there any more.
            while start < end and is_mark(self._text.text[start]):
                start += 1
            self._after_mask = start == end
        return self._text.between(start, end)

    def _matches(self, rule: CompiledRule, text: str, encoded: bytes, first: int, until: int) -> list[_Span]:
        """Those that begin before `until`."""
        base = self._base
        spans: list[_Span] = []
        place = max(first, self._resume.pop(rule.order, 0) - base)
        ascii_only = len(encoded) == len(text)
        while place < until:
            found = rule.search(encoded, place if ascii_only else len(text[:place].encode()))
            if found is None:
                break
            start = _characters(text, encoded, found.start())
            if start >= until:
                break
            end = rule.end_of(text, start, _characters(text, encoded, found.end()))
            if end is None:
                place = start + 1
                continue
            spans.append(_Span(base + start, base + end, rule.rule, rule.label, rule.order))
            place = end
        if place > until:
            self._resume[rule.order] = base + place
        return spans

    def _note(self, span: _Span) -> None:
        if len(self.hits) < MOST_HITS:
            length = 0 if span.end == FOR_EVER else span.end - span.start
            self.hits.append(Hit(span.rule, span.start, length))


def _characters(text: str, encoded: bytes, place: int) -> int:
    """How many characters so many bytes are."""
    return place if len(text) == len(encoded) else len(encoded[:place].decode())
