"""Reads an answer of the Chat Completions protocol and its imitators.

Choice 0 only. The answer ends with `[DONE]`, or with a finish reason and then the end of the body: usage and
errors may still come after a finish reason.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import MsgspecError

from chat.exceptions import ProviderCut, ProviderGarbage, ProviderOverloaded
from chat.llm.deltas import (
    CitationDelta,
    Delta,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    Usage,
)
from chat.llm.dialects.answer import AnswerDecoder
from chat.llm.dialects.errors import WireError, error_in
from chat.llm.dialects.openai_chat_chunks import CHUNKS, Choice, Chunk, ChunkDelta, loosely, message_of
from chat.llm.dialects.openai_chat_parts import (
    Details,
    citation_of,
    image_of,
    listed_citations,
    split_content,
)
from chat.llm.dialects.openai_chat_tools import ToolCalls
from chat.llm.dialects.openai_usage import usage_of
from chat.llm.dialects.text import TextJoiner, clean

_REASONS: Final = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_FAILURES: Final = ("error", "insufficient_system_resource")


class OpenAIChatDecoder(AnswerDecoder):
    def __init__(self, *, new_id: Callable[[], str]) -> None:
        super().__init__()
        self._started = False
        self._finish_reason = ""
        self._text = TextJoiner()
        self._reasoning = TextJoiner()
        self._refusal = TextJoiner()
        self._tools = ToolCalls(new_id)
        self._reasoning_field = ""
        self._details = Details()
        self._citations: list[Any] = []
        self._said = False

    @property
    def whole(self) -> bool:
        return self._ended or bool(self._finish_reason)

    # --- the stream -------------------------------------------------------------------------------

    def _event(self, name: str, payload: bytes, out: list[Delta]) -> None:
        try:
            chunk = CHUNKS.decode(payload)
        except (MsgspecError, RecursionError, UnicodeDecodeError):
            self._odd_event(name, payload, out)
            return
        if chunk.choices:
            self._chunk(chunk, out)
        else:
            self._bare_event(name, payload, chunk, out)

    def _odd_event(self, name: str, payload: bytes, out: list[Delta]) -> None:
        if payload.lstrip().startswith(b"[DONE]"):
            self._done(out)
            return
        value = self._loads(payload, out, name)
        if isinstance(value, dict):
            chunk = loosely(value, whole=not self._said)
            if chunk.choices:
                self._chunk(chunk, out)
                return
        self._bare_value(name, value, out)

    def _bare_event(self, name: str, payload: bytes, chunk: Chunk, out: list[Delta]) -> None:
        """No choices: usage, a moderation verdict, a filter's notes, or an error without `error`."""
        if chunk.error is None and chunk.usage and name != "error":
            self._chunk(chunk, out)
        else:
            self._bare_value(name, self._loads(payload, out), out)

    def _bare_value(self, name: str, value: Any, out: list[Delta]) -> None:
        if self._ended or value is None:
            return
        error = error_in(value, in_stream=name != "error")
        if error is None and name == "error":
            error = WireError(message=value if isinstance(value, str) else "")
        if isinstance(value, dict):
            self._chunk(loosely({**value, "error": None}), out)
        if error is not None:
            self._fail_with(error, out)

    def _whole(self, value: dict[str, Any], out: list[Delta]) -> None:
        chunk = loosely(value, whole=True)
        self._chunk(chunk, out)
        if self._ended:
            return
        if chunk.choices:
            self._done(out)
        else:
            self._fail(ProviderGarbage(detail="an answer without choices"), out)

    # --- one chunk --------------------------------------------------------------------------------

    def _chunk(self, chunk: Chunk, out: list[Delta]) -> None:
        if not self._started and (chunk.choices or chunk.id or chunk.model):
            self._started = True
            out.append(Started(clean(chunk.id or ""), clean(chunk.model or "")))
        if chunk.usage:
            self._usage = chunk.usage
        elif chunk.x_groq is not None and isinstance(chunk.x_groq.get("usage"), dict):
            self._usage = chunk.x_groq["usage"] or self._usage
        if chunk.search_results or chunk.citations:
            self._citations = chunk.search_results or chunk.citations or []
        for choice in chunk.choices or ():
            if not choice.index:
                self._choice(choice, out)
                if self._ended:
                    return
        error = chunk.error or (chunk.x_groq.get("error") if chunk.x_groq is not None else None)
        if error:
            self._fail_with(error_in({"error": error}) or WireError(), out)

    def _choice(self, choice: Choice, out: list[Delta]) -> None:
        delta = choice.delta
        if delta is None and choice.message and not self._said:
            delta = message_of(choice)  # a whole answer in one event
        if delta is not None:
            content = delta.content
            if content and content.__class__ is str:
                # reasoning may stand beside text in the chunk between the two
                if delta.reasoning_content or delta.reasoning or delta.reasoning_details:
                    self._add_reasoning(delta, out)
                self._add_text(content, out)
                if (
                    delta.tool_calls
                    or delta.refusal
                    or delta.annotations
                    or delta.images
                    or delta.function_call
                ):
                    self._add_rest(delta, out)
            else:
                self._add_reasoning(delta, out)
                if content:
                    self._add_list(content, out)
                self._add_rest(delta, out)
        if choice.usage:
            self._usage = choice.usage
        if choice.finish_reason and choice.finish_reason != "null":
            self._finish_reason = choice.finish_reason
        if choice.error:
            self._fail_with(error_in({"error": choice.error}) or WireError(), out)

    def _add_text(self, text: Any, out: list[Delta]) -> None:
        text = self._text.add(text)
        if text:
            self._said = True
            out.append(TextDelta(text))

    def _add_list(self, content: Any, out: list[Delta]) -> None:
        for kind, text in split_content(content):
            if kind == "text":
                self._add_text(text, out)
            elif kind == "refusal":
                self._add_refusal(text, out)
            else:
                self._show_reasoning(text, out)
        out.extend(picture for part in content if (picture := image_of(part)) is not None)

    def _add_reasoning(self, delta: ChunkDelta, out: list[Delta]) -> None:
        """One of three names for the same thing; where two are sent, they say the same."""
        text = ""
        if delta.reasoning_content:
            text, self._reasoning_field = delta.reasoning_content, "reasoning_content"
        elif delta.reasoning:
            text, self._reasoning_field = delta.reasoning, "reasoning"
        if delta.reasoning_details:
            shown = self._details.add(delta.reasoning_details)
            text = text or shown
        if text:
            self._show_reasoning(text, out)

    def _show_reasoning(self, text: str, out: list[Delta]) -> None:
        text = self._reasoning.add(text)
        if text:
            self._said = True
            out.append(ReasoningDelta(text))

    def _add_refusal(self, text: str, out: list[Delta]) -> None:
        text = self._refusal.add(text)
        if text:
            self._said = True
            out.append(RefusalDelta(text))

    def _add_rest(self, delta: ChunkDelta, out: list[Delta]) -> None:
        if delta.refusal:
            self._add_refusal(delta.refusal, out)
        if delta.tool_calls:
            self._said = True
            for fragment in delta.tool_calls:
                self._tools.add(fragment, out)
        elif delta.function_call is not None:
            self._tools.add_legacy(delta.function_call)
        for annotation in delta.annotations or ():
            citation = citation_of(annotation)
            if citation is not None:
                out.append(citation)
        for image in delta.images or ():
            picture = image_of(image)
            if picture is not None:
                out.append(picture)

    # --- the end ----------------------------------------------------------------------------------

    def _done(self, out: list[Delta]) -> None:
        raw = self._finish_reason
        if raw in _FAILURES:
            self._fail(ProviderOverloaded(detail=f"finish_reason {raw}", upstream_code=raw), out)
            return
        reason = _REASONS.get(raw, "unknown")
        if self._tools and reason in ("stop", "unknown"):
            reason = "tool_calls"
        self._last_words(out)
        self._tools.ready(out, cut=reason != "tool_calls")
        self._finish(Finished(reason, clean(raw)), out)

    def _end_of_body(self, out: list[Delta]) -> None:
        if self._finish_reason:
            self._done(out)
        else:
            self._fail(ProviderCut(detail="the stream ended without a finish reason or [DONE]"), out)

    def _cut(self, reason: str, out: list[Delta]) -> None:
        """After a finish reason nothing of the answer is missing, at most its usage."""
        if self._finish_reason:
            self._done(out)
        else:
            super()._cut(reason, out)

    def _last_words(self, out: list[Delta]) -> None:
        reasoning, text, refusal = self._reasoning.rest(), self._text.rest(), self._refusal.rest()
        opaque = self._opaque()
        if reasoning or opaque:
            out.append(ReasoningDelta(reasoning, opaque))
        if text:
            out.append(TextDelta(text))
        if refusal:
            out.append(RefusalDelta(refusal))
        out.extend(CitationDelta(url, title) for url, title in listed_citations(self._citations))
        self._citations = []
        self._tools.end(out)

    def _opaque(self) -> dict[str, Any] | None:
        """What the next request has to carry back: the details always, the field's name in tool turns."""
        details = self._details.take()
        if not details and not (self._tools and self._reasoning_field):
            return None
        field, self._reasoning_field = self._reasoning_field, ""
        return {"dialect": "openai_chat", "field": field, "details": details}

    def _read_usage(self, usage: Any) -> Usage | None:
        return usage_of(usage)
