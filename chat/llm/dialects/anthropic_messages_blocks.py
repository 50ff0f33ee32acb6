"""The content blocks of a Messages answer, each from its start to its end."""

import json
from collections.abc import Iterator
from typing import Any, Final

from chat.llm.deltas import (
    CitationDelta,
    Delta,
    ReasoningDelta,
    ServerItem,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
)
from chat.llm.dialects.anthropic_messages_events import BlockDelta
from chat.llm.dialects.json_values import listed, opened, text_at
from chat.llm.dialects.text import GrowingText, clean, clean_json
from chat.llm.dialects.turns import is_object

DIALECT: Final = "anthropic_messages"
CARRIED: Final = ("caller", "toolset_name")
"""Members of a call that go back with it."""


class Block:
    """A block nobody knows: what the provider ran itself, and whatever comes next year. Kept as it is."""

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self.input = GrowingText()

    def open(self, out: list[Delta]) -> None:
        """What the block's start already says."""

    def delta(self, delta: BlockDelta, out: list[Delta]) -> None:
        if delta.partial_json:
            self.input.add(delta.partial_json)

    def absorb(self, delta: Any) -> None:
        """A delta of a kind nobody knows (`compaction_delta` is one): its members are the block's."""
        if isinstance(delta, dict):
            self.start |= {name: value for name, value in delta.items() if name != "type"}

    def close(self, out: list[Delta]) -> None:
        raw = dict(self.start)
        text = self.input.text + self.input.rest()
        if is_object(text):
            raw["input"] = json.loads(text)
        kept = {"dialect": DIALECT, "block": clean_json(raw)}
        out.append(ServerItem(clean(text_at(raw, "type")), kept))

    def cut(self, out: list[Delta]) -> None:
        """The answer ends inside of the block."""


class TextBlock(Block):
    def open(self, out: list[Delta]) -> None:
        self._show(text_at(self.start, "text"), out)
        for citation in listed(self.start.get("citations")):
            out.extend(_citations(citation))

    def delta(self, delta: BlockDelta, out: list[Delta]) -> None:
        if delta.text:
            self._show(delta.text, out)
        if delta.citation:
            out.extend(_citations(opened(delta.citation)))

    def close(self, out: list[Delta]) -> None:
        self.cut(out)

    def cut(self, out: list[Delta]) -> None:
        rest = self.input.rest()
        if rest:
            out.append(TextDelta(rest))

    def _show(self, text: str, out: list[Delta]) -> None:
        text = self.input.add(text)
        if text:
            out.append(TextDelta(text))


class ThinkingBlock(Block):
    """`thinking` and `redacted_thinking`: both go back unchanged, in their order, in tool turns."""

    def open(self, out: list[Delta]) -> None:
        self._show(text_at(self.start, "thinking"), out)

    def delta(self, delta: BlockDelta, out: list[Delta]) -> None:
        if delta.thinking:
            self._show(delta.thinking, out)
        if delta.signature:
            self.start["signature"] = delta.signature

    def close(self, out: list[Delta]) -> None:
        self.cut(out)
        block = dict(self.start)
        if block.get("type") == "thinking":
            block["thinking"] = self.input.text
        if block.get("signature") or block.get("data"):
            out.append(ReasoningDelta("", {"dialect": DIALECT, "block": clean_json(block)}))

    def cut(self, out: list[Delta]) -> None:
        rest = self.input.rest()
        if rest:
            out.append(ReasoningDelta(rest))

    def _show(self, text: str, out: list[Delta]) -> None:
        text = self.input.add(text)
        if text:
            out.append(ReasoningDelta(text))


class ToolBlock(Block):
    """`tool_use`: the only blocks that are ours to run."""

    def __init__(self, start: dict[str, Any], slot: int, made_up_id: str) -> None:
        super().__init__(start)
        self.slot = slot
        self.id = clean(text_at(start, "id")) or made_up_id
        self.name = clean(text_at(start, "name"))
        carried = {name: clean_json(start[name]) for name in CARRIED if start.get(name)}
        if carried.get("caller") == {"type": "direct"}:
            del carried["caller"]  # the rule
        self.opaque = {"dialect": DIALECT, **carried} if carried else None
        self.closed = False

    def open(self, out: list[Delta]) -> None:
        out.append(ToolCallStarted(self.slot, self.id, self.name))

    def delta(self, delta: BlockDelta, out: list[Delta]) -> None:
        if delta.partial_json:
            self._show(self.input.add(delta.partial_json), out)

    def close(self, out: list[Delta]) -> None:
        """Without a delta, the input stands in the block's start; mostly it is empty."""
        self.closed = True
        self.cut(out)
        given = self.start.get("input")
        if given and not self.input.text:
            text = given if isinstance(given, str) else json.dumps(clean_json(given), ensure_ascii=False)
            self._show(self.input.add(text), out)

    def cut(self, out: list[Delta]) -> None:
        self._show(self.input.rest(), out)

    def ready(self, *, only_whole: bool) -> ToolCallReady | None:
        text = self.input.text
        if only_whole and not (self.closed and is_object(text or "{}")):
            return None
        return ToolCallReady(self.slot, self.id, self.name, text or "{}", self.opaque)

    def _show(self, text: str, out: list[Delta]) -> None:
        if text:
            out.append(ToolArgumentsDelta(self.slot, text))


def _citations(citation: Any) -> Iterator[CitationDelta]:
    """Search results have an address; pages of documents that the user sent have none."""
    if isinstance(citation, dict) and text_at(citation, "url"):
        yield CitationDelta(clean(text_at(citation, "url")), clean(text_at(citation, "title")))
