"""Reads an answer of Anthropic's Messages protocol.

Ends with `message_stop` or `error`; a stop reason followed by the end of the body is accepted too. Usage is
cumulative: what `message_delta` says overwrites what `message_start` said, field by field.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import MsgspecError

from chat.exceptions import ProviderCut, ProviderGarbage
from chat.llm.deltas import Delta, Finished, RefusalDelta, Started, TextRevised, Usage
from chat.llm.dialects.answer import AnswerDecoder
from chat.llm.dialects.anthropic_messages_blocks import (
    Block,
    TextBlock,
    ThinkingBlock,
    ToolBlock,
)
from chat.llm.dialects.anthropic_messages_events import EVENTS, BlockDelta, MessageEvent, loosely
from chat.llm.dialects.errors import WireError, error_in
from chat.llm.dialects.json_values import is_error, listed, opened, text_at
from chat.llm.dialects.openai_usage import count
from chat.llm.dialects.text import clean

_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "stop": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "length": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "pause",
}
_KNOWN_DELTAS: Final = (
    "text_delta",
    "input_json_delta",
    "thinking_delta",
    "signature_delta",
    "citations_delta",
)


class AnthropicMessagesDecoder(AnswerDecoder):
    def __init__(self, *, new_id: Callable[[], str]) -> None:
        super().__init__()
        self._new_id = new_id
        self._started = False
        self._message_id = ""
        self._stop_reason = ""
        self._explanation = ""
        self._blocks: dict[int, Block] = {}  # the open ones
        self._growing: Block | None = None  # the last one that got a delta
        self._texts: list[TextBlock] = []
        self._revised = False  # the texts interleave, so what was shown is out of order
        self._calls: list[ToolBlock] = []

    @property
    def whole(self) -> bool:
        return self._ended or bool(self._stop_reason)

    # --- the stream -------------------------------------------------------------------------------

    def _event(self, name: str, payload: bytes, out: list[Delta]) -> None:
        try:
            event = EVENTS.decode(payload)
        except (MsgspecError, RecursionError, UnicodeDecodeError):
            self._odd_event(name, payload, out)
            return
        self._typed(name, event, payload, out)

    def _odd_event(self, name: str, payload: bytes, out: list[Delta]) -> None:
        if payload.lstrip().startswith(b"[DONE]"):
            return  # gateways append it; only the protocol's own end counts
        value = self._loads(payload, out, name)
        if isinstance(value, dict):
            self._typed(name, loosely(value), payload, out)
        elif name == "error" and value:
            self._fail_with(WireError(message=str(value)), out)

    def _typed(self, name: str, event: MessageEvent, payload: bytes, out: list[Delta]) -> None:
        kind = event.type or name
        if kind == "content_block_delta":
            self._block_delta(event, payload, out)
        elif kind == "content_block_start":
            self._open_block(event.index or 0, opened(event.content_block), out)
        elif kind == "content_block_stop":
            self._close_block(event.index or 0, out)
        elif kind == "message_start":
            self._message_start(opened(event.message), out)
        elif kind == "message_delta":
            self._message_delta(event)
        elif kind == "message_stop":
            self._done(out)
        elif name == "error" or not kind or is_error(kind):
            self._error(name or kind, payload, out)
        elif kind == "message" and not self._started:
            value = self._loads(payload, out)
            if isinstance(value, dict):
                self._whole(value, out)  # a whole answer in one event

    def _error(self, kind: str, payload: bytes, out: list[Delta]) -> None:
        value = self._loads(payload, out)
        error = error_in(value)
        if error is None and kind:
            error = WireError(type=text_at(value, "type") if isinstance(value, dict) else "")
        if error is not None:
            self._fail_with(error, out)

    def _whole(self, value: dict[str, Any], out: list[Delta]) -> None:
        if not isinstance(value.get("content"), list):
            self._fail(ProviderGarbage(detail="an answer without content"), out)
            return
        self._message_start(value, out)
        self._done(out)

    # --- the message ------------------------------------------------------------------------------

    def _message_start(self, message: dict[str, Any], out: list[Delta]) -> None:
        """A second one of the same message is an echo; one of another message is not ours."""
        identity = text_at(message, "id")
        if self._started:
            if identity and self._message_id and identity != self._message_id:
                self._fail(ProviderGarbage(detail="another message begins inside of this one"), out)
            return
        self._message_id = identity
        self._start(clean(identity), clean(text_at(message, "model")), out)
        self._overwrite_usage(message.get("usage"))
        for index, block in enumerate(listed(message.get("content"))):  # programmatic calls: all is here
            self._open_block(index, block, out)
            self._close_block(index, out)
        self._stop_reason = text_at(message, "stop_reason")
        self._explain(message.get("stop_details"))

    def _start(self, identity: str, model: str, out: list[Delta]) -> None:
        self._started = True
        out.append(Started(identity, model))

    def _message_delta(self, event: MessageEvent) -> None:
        self._overwrite_usage(event.usage)
        if event.delta is not None:
            self._stop_reason = event.delta.stop_reason or self._stop_reason
            self._explain(event.delta.stop_details)

    def _overwrite_usage(self, usage: Any) -> None:
        if isinstance(usage, dict):
            told = {name: value for name, value in usage.items() if value is not None}
            self._usage = {**(self._usage or {}), **told}

    def _explain(self, details: Any) -> None:
        if isinstance(details, dict):
            self._explanation = text_at(details, "explanation") or self._explanation

    # --- blocks -----------------------------------------------------------------------------------

    def _open_block(self, index: int, start: dict[str, Any], out: list[Delta]) -> None:
        if not self._started:
            self._start("", "", out)
        if index in self._blocks:
            self._close_block(index, out)
        kind = start.get("type")
        block: Block
        if kind == "text":
            block = self._text_block(start)
        elif kind in ("thinking", "redacted_thinking"):
            block = ThinkingBlock(start)
        elif kind == "tool_use":
            made_up_id = "" if text_at(start, "id") else self._new_id()
            block = ToolBlock(start, len(self._calls), made_up_id)
            self._calls.append(block)
        else:
            block = Block(start)
        self._blocks[index] = block
        block.open(out)

    def _block_delta(self, event: MessageEvent, payload: bytes, out: list[Delta]) -> None:
        delta = event.delta
        if delta is None:
            return
        block = self._blocks.get(event.index or 0)
        if block is None:
            if not self._started:
                self._start("", "", out)
            block = self._blocks[event.index or 0] = self._block_of(delta)
        if block is not self._growing:
            self._grows(block)
        block.delta(delta, out)
        if block.__class__ is Block and delta.type not in _KNOWN_DELTAS:
            value = self._loads(payload, out)
            block.absorb(value.get("delta") if isinstance(value, dict) else None)

    def _text_block(self, start: dict[str, Any]) -> TextBlock:
        block = TextBlock(start)
        self._texts.append(block)
        return block

    def _block_of(self, delta: BlockDelta) -> Block:
        """For servers that forget a block's start."""
        if delta.thinking is not None:
            return ThinkingBlock({"type": "thinking"})
        return self._text_block({"type": "text"}) if delta.text is not None else Block({"type": "unknown"})

    def _grows(self, block: Block) -> None:
        self._growing = block
        if isinstance(block, TextBlock):
            later = self._texts[self._texts.index(block) + 1 :]
            self._revised = self._revised or any(text.input.text for text in later)

    def _close_block(self, index: int, out: list[Delta]) -> None:
        block = self._blocks.pop(index, None)
        if block is not None:
            block.close(out)

    # --- the end ----------------------------------------------------------------------------------

    def _done(self, out: list[Delta]) -> None:
        reason = _REASONS.get(self._stop_reason, "unknown")
        if self._calls and reason in ("stop", "unknown"):
            reason = "tool_calls"
        if reason == "tool_calls":
            for index in list(self._blocks):
                self._close_block(index, out)
        self._last_words(out)
        for call in self._calls:
            ready = call.ready(only_whole=reason != "tool_calls")
            if ready is not None:
                out.append(ready)
        if self._explanation:
            out.append(RefusalDelta(clean(self._explanation)))
        self._finish(Finished(reason, clean(self._stop_reason)), out)

    def _end_of_body(self, out: list[Delta]) -> None:
        if self._stop_reason:
            self._done(out)
        else:
            self._fail(ProviderCut(detail="the stream ended without message_stop"), out)

    def _cut(self, reason: str, out: list[Delta]) -> None:
        """After a stop reason nothing of the answer is missing."""
        if self._stop_reason:
            self._done(out)
        else:
            super()._cut(reason, out)

    def _last_words(self, out: list[Delta]) -> None:
        for block in self._blocks.values():
            block.cut(out)
        if self._revised:
            self._revised = False
            out.append(TextRevised("".join(text.input.text for text in self._texts)))

    def _read_usage(self, usage: Any) -> Usage | None:
        """Fresh, cached and newly cached input are counted apart on the wire; together they are the input."""
        fresh, output = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
        cached = count(usage.get("cache_read_input_tokens")) or 0
        written = count(usage.get("cache_creation_input_tokens")) or 0
        details = usage.get("output_tokens_details")
        thinking = count(details.get("thinking_tokens")) if isinstance(details, dict) else None
        if fresh is None and output is None:
            return None
        return Usage(None if fresh is None else fresh + cached + written, output, cached, written, thinking)
