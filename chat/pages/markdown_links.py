"""Inline rules that keep markdown-it linear (twins in chat/frontend/src/markdown/links.ts)."""

import re
from typing import Any

from markdown_it.rules_inline import StateInline

# A longer address is left as words.
LONGEST_ADDRESS = 2048

_SCHEME = re.compile(r"(?:https?|ftp|mailto)\Z", re.IGNORECASE | re.ASCII)
_LONGEST_SCHEME = 6
_END_OF_EMPHASIS = re.compile(r"_(?![A-Za-z0-9_])")
# A host that normalizeLink had to escape, or lost for its length, is none.
_GOOD_ADDRESS = re.compile(r"mailto:|[a-z]+://[^/?#%]+(?:[/?#]|\Z)", re.IGNORECASE | re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9]")


def bare_link(state: StateInline, silent: bool) -> bool:
    """A bare address. linkify-it knows what one looks like, but is only shown a bounded piece, at its scheme."""
    pos = state.pos
    if silent or state.linkLevel > 0 or state.src[pos] != ":":
        return False
    found = _SCHEME.search(state.src[max(0, pos - _LONGEST_SCHEME) : pos])
    if not found:
        return False
    scheme = found[0]
    start = pos - len(scheme)
    if start > 0 and _WORD.match(state.src[start - 1]):
        return False
    rest = state.src[pos + 1 : pos + 1 + LONGEST_ADDRESS]
    length = _address_length(state.md.linkify, scheme, rest)
    if not length or (length == LONGEST_ADDRESS and pos + 1 + length < len(state.src)):
        return False
    url = f"{scheme}:{rest[:length]}".rstrip("*")  # stars at the end are emphasis
    return _push_link(state, url, scheme)


def _address_length(linkify: Any, scheme: str, rest: str) -> int:
    """What follows the scheme. No host ends in `_`, but emphasis around an address may."""
    name = f"{scheme.lower()}:"
    length: int = linkify.test_schema_at(rest, name, 0)
    emphasis = None if length else _END_OF_EMPHASIS.search(rest)
    return linkify.test_schema_at(rest[: emphasis.start()], name, 0) if emphasis else length


def _push_link(state: StateInline, url: str, scheme: str) -> bool:
    href = state.md.normalizeLink(url)
    if not _GOOD_ADDRESS.match(href) or not state.md.validateLink(href) or not state.pending.endswith(scheme):
        return False
    state.pending = state.pending[: -len(scheme)]
    opening = state.push("link_open", "a", 1)
    opening.attrs = {"href": href}
    opening.markup = "linkify"
    opening.info = "auto"
    state.push("text", "", 0).content = state.md.normalizeLinkText(url)
    closing = state.push("link_close", "a", -1)
    closing.markup = "linkify"
    closing.info = "auto"
    state.pos += len(url) - len(scheme)
    return True


def literal_bracket(state: StateInline, silent: bool) -> bool:
    """Where no bracket can be a link (`links` in the environment, see parse_inline), none is tried."""
    if state.env.get("links", True):
        return False
    char = state.src[state.pos]
    if char != "[" and not (char == "!" and state.src.startswith("[", state.pos + 1)):
        return False
    if not silent:
        state.append_pending(char)
    state.pos += 1
    return True
