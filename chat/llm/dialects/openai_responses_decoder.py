"""Reads an answer of OpenAI's Responses protocol and its imitators.

Slots go by `output_index`, never by item id: some gateways change the id with every event. An answer ends
with `response.completed`, `.incomplete`, `.failed` or `error`; everything else is a cut.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import MsgspecError

from chat.exceptions import ProviderCut, ProviderGarbage
from chat.llm.deltas import (
    Delta,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    TextRevised,
    Usage,
)
from chat.llm.dialects.answer import AnswerDecoder
from chat.llm.dialects.errors import WireError, error_in
from chat.llm.dialects.json_values import is_error, listed, opened, text_at
from chat.llm.dialects.openai_responses_events import EVENTS, ResponseEvent, loosely
from chat.llm.dialects.openai_responses_parts import citations_of, images_of, phase_of, server_item_of
from chat.llm.dialects.openai_responses_tools import CALL_TYPES, DIALECT, ResponseCalls
from chat.llm.dialects.openai_usage import usage_of
from chat.llm.dialects.text import GrowingText, clean, clean_json

_TERMINAL: Final = ("completed", "incomplete", "failed", "cancelled")

_Handler = Callable[[ResponseEvent, list[Delta]], None]


class OpenAIResponsesDecoder(AnswerDecoder):
    def __init__(self, *, new_id: Callable[[], str]) -> None:
        super().__init__()
        self._started = False
        self._texts: dict[tuple[int, int], GrowingText] = {}
        self._refusals: dict[tuple[int, int], GrowingText] = {}
        self._reasoning: dict[tuple[int, str, int], GrowingText] = {}
        self._text: GrowingText | None = None  # the last one that grew
        self._thought: set[int] = set()  # output indexes that have shown reasoning
        self._signed: set[int] = set()  # those whose item is to be carried back
        self._cited: set[int] = set()
        self._closed: dict[int, str] = {}  # output indexes of whole items, and these items' ids
        self._again: dict[int, int] = {}  # where an index names a second item, the one that stands for it
        self._revised = False  # the whole texts contradict what was shown
        self._calls = ResponseCalls(new_id)
        self._last_index = 0
        self._handlers: dict[str, _Handler] = {
            "response.output_text.delta": self._text_delta,
            "response.output_text.done": self._text_done,
            "response.refusal.delta": self._refusal_delta,
            "response.refusal.done": self._refusal_done,
            "response.reasoning_summary_text.delta": self._summary_delta,
            "response.reasoning_summary_text.done": self._summary_done,
            "response.reasoning_text.delta": self._raw_delta,
            "response.reasoning_text.done": self._raw_done,
            "response.reasoning.delta": self._raw_delta,
            "response.reasoning.done": self._raw_done,
            "response.function_call_arguments.delta": self._arguments_delta,
            "response.function_call_arguments.done": self._arguments_done,
            "response.custom_tool_call_input.delta": self._arguments_delta,
            "response.custom_tool_call_input.done": self._arguments_done,
            "response.output_item.added": self._item_added,
            "response.output_item.done": self._item_done,
            "response.output_text.annotation.added": self._annotation,
        }

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
        if not isinstance(value, dict):
            if name == "error" and value:
                self._fail_with(WireError(message=str(value)), out)
            return
        event = loosely(value)
        self._typed(name, event, payload, out)

    def _typed(self, name: str, event: ResponseEvent, payload: bytes, out: list[Delta]) -> None:
        kind = event.type or name
        handler = self._handlers.get(kind)
        if handler is None:
            self._other_event(name, kind, event, payload, out)
            return
        if not self._started:
            self._start({}, out)
        handler(event, out)

    def _other_event(
        self, name: str, kind: str, event: ResponseEvent, payload: bytes, out: list[Delta]
    ) -> None:
        """The answer's begin and end, errors in all their shapes; unknown events pass by."""
        if kind.removeprefix("response.") in _TERMINAL:
            self._terminal(kind.removeprefix("response."), opened(event.response), out)
        elif name == "error" or not kind or is_error(kind):
            self._error(name or kind, payload, out)
        elif event.response and not self._started:
            self._start(opened(event.response), out)

    def _error(self, kind: str, payload: bytes, out: list[Delta]) -> None:
        value = self._loads(payload, out)
        error = error_in(value)
        if error is None and kind:
            told = value if isinstance(value, dict) else {}
            error = WireError(text_at(told, "message"), text_at(told, "code") or None, text_at(told, "type"))
        if error is not None:
            self._fail_with(error, out)
        elif isinstance(value, dict) and isinstance(value.get("output"), list):
            self._whole(value, out)  # a whole answer in one event

    def _whole(self, value: dict[str, Any], out: list[Delta]) -> None:
        status = text_at(value, "status")
        if not isinstance(value.get("output"), list) and status not in _TERMINAL:
            self._fail(ProviderGarbage(detail="an answer without output"), out)
            return
        if not self._started:
            self._start(value, out)
        if status in ("queued", "in_progress"):
            self._fail(ProviderCut(detail=f"the response is {status}"), out)
            return
        self._terminal(status if status in _TERMINAL else "completed", value, out)

    def _start(self, response: dict[str, Any], out: list[Delta]) -> None:
        self._started = True
        out.append(Started(clean(text_at(response, "id")), clean(text_at(response, "model"))))

    def _index(self, event: ResponseEvent) -> int:
        index = event.output_index
        if index is not None:
            self._last_index = self._again.get(index, index) if self._again else index
        return self._last_index

    # --- texts ------------------------------------------------------------------------------------

    def _text_delta(self, event: ResponseEvent, out: list[Delta]) -> None:
        if not isinstance(event.delta, str):
            return
        key = (self._index(event), event.content_index or 0)
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = GrowingText()
        if text is not self._text:
            self._grows(key, text)
        shown = text.add(event.delta)
        if shown:
            out.append(TextDelta(shown))

    def _grows(self, key: tuple[int, int], text: GrowingText) -> None:
        """Another text grows now. What comes late for an earlier one is shown behind a later one."""
        self._text = text
        if any(other > key for other in self._texts):
            self._revised = True

    def _text_done(self, event: ResponseEvent, out: list[Delta]) -> None:
        self._complete_text((self._index(event), event.content_index or 0), event.text or "", out)

    def _complete_text(self, key: tuple[int, int], whole: str, out: list[Delta]) -> None:
        """The whole text is what counts: it fills gaps, and corrects what was shown if it has to."""
        if not whole:
            return
        text = self._texts.setdefault(key, GrowingText())
        left = text.complete(whole)
        if left is None:
            self._revised = True
        elif left:
            self._grows(key, text)
            out.append(TextDelta(left))

    def _all_text(self) -> str:
        return "".join(self._texts[key].text for key in sorted(self._texts))

    def _refusal_delta(self, event: ResponseEvent, out: list[Delta]) -> None:
        if isinstance(event.delta, str):
            key = (self._index(event), event.content_index or 0)
            shown = self._refusals.setdefault(key, GrowingText()).add(event.delta)
            if shown:
                out.append(RefusalDelta(shown))

    def _refusal_done(self, event: ResponseEvent, out: list[Delta]) -> None:
        self._complete_refusal((self._index(event), event.content_index or 0), event.refusal or "", out)

    def _complete_refusal(self, key: tuple[int, int], whole: str, out: list[Delta]) -> None:
        left = self._refusals.setdefault(key, GrowingText()).complete(whole) if whole else ""
        if left:
            out.append(RefusalDelta(left))

    # --- reasoning --------------------------------------------------------------------------------

    def _summary_delta(self, event: ResponseEvent, out: list[Delta]) -> None:
        self._grow_reasoning((self._index(event), "summary", event.summary_index or 0), event.delta, out)

    def _raw_delta(self, event: ResponseEvent, out: list[Delta]) -> None:
        self._grow_reasoning((self._index(event), "raw", event.content_index or 0), event.delta, out)

    def _summary_done(self, event: ResponseEvent, out: list[Delta]) -> None:
        key = (self._index(event), "summary", event.summary_index or 0)
        self._complete_reasoning(key, event.text or "", out)

    def _raw_done(self, event: ResponseEvent, out: list[Delta]) -> None:
        self._complete_reasoning((self._index(event), "raw", event.content_index or 0), event.text or "", out)

    def _grow_reasoning(self, key: tuple[int, str, int], fragment: Any, out: list[Delta]) -> None:
        if isinstance(fragment, str):
            self._show_reasoning(key, self._reasoning_of(key, out).add(fragment), out)

    def _complete_reasoning(self, key: tuple[int, str, int], whole: str, out: list[Delta]) -> None:
        if whole:
            self._show_reasoning(key, self._reasoning_of(key, out).complete(whole) or "", out)

    def _reasoning_of(self, key: tuple[int, str, int], out: list[Delta]) -> GrowingText:
        text = self._reasoning.get(key)
        if text is None:
            text = self._reasoning[key] = GrowingText()
            if key[0] in self._thought:
                out.append(ReasoningDelta("\n\n"))  # parts of a summary are paragraphs
        return text

    def _show_reasoning(self, key: tuple[int, str, int], shown: str, out: list[Delta]) -> None:
        if shown:
            self._thought.add(key[0])
            out.append(ReasoningDelta(shown))

    # --- items ------------------------------------------------------------------------------------

    def _arguments_delta(self, event: ResponseEvent, out: list[Delta]) -> None:
        if isinstance(event.delta, str):
            self._calls.delta(self._index(event), event.delta, out)

    def _arguments_done(self, event: ResponseEvent, out: list[Delta]) -> None:
        whole = event.arguments or event.input or ""
        self._calls.arguments_done(self._index(event), whole, event.name or "", out)

    def _item_added(self, event: ResponseEvent, out: list[Delta]) -> None:
        item = opened(event.item)
        index = self._index(event)
        if self._closed and (event.output_index is None or self._is_second(index, item)):
            self._last_index = max(self._closed) + 1
            if event.output_index is not None:
                self._again[event.output_index] = self._last_index
        if item.get("type") in CALL_TYPES:
            self._calls.item(self._last_index, item, out, done=False)

    def _is_second(self, index: int, item: dict[str, Any]) -> bool:
        """Some servers number all items 0."""
        return index in self._closed and (self._closed[index] != text_at(item, "id") or not item.get("id"))

    def _item_done(self, event: ResponseEvent, out: list[Delta]) -> None:
        index, item = self._index(event), opened(event.item)
        self._closed[index] = text_at(item, "id")
        self._close_item(index, item, out)

    def _close_item(self, index: int, item: dict[str, Any], out: list[Delta]) -> None:
        kind = text_at(item, "type")
        if kind == "message":
            self._close_message(index, item, out)
        elif kind == "reasoning":
            self._close_reasoning(index, item, out)
        elif kind in CALL_TYPES:
            self._calls.item(index, item, out, done=True)
        elif kind:
            out.extend(images_of(item))
            out.append(server_item_of(item))

    def _close_message(self, index: int, item: dict[str, Any], out: list[Delta]) -> None:
        for position, part in enumerate(listed(item.get("content"))):
            if text_at(part, "type") == "refusal":
                self._complete_refusal((index, position), text_at(part, "refusal"), out)
            else:
                self._complete_text((index, position), text_at(part, "text"), out)
            if index not in self._cited:
                out.extend(citations_of(part.get("annotations")))
        if (phase := phase_of(item)) is not None:
            out.append(phase)

    def _close_reasoning(self, index: int, item: dict[str, Any], out: list[Delta]) -> None:
        for position, part in enumerate(listed(item.get("summary"))):
            self._complete_reasoning((index, "summary", position), text_at(part, "text"), out)
        for position, part in enumerate(listed(item.get("content"))):
            self._complete_reasoning((index, "raw", position), text_at(part, "text"), out)
        if index not in self._signed and (item.get("encrypted_content") or item.get("content")):
            self._signed.add(index)
            out.append(ReasoningDelta("", {"dialect": DIALECT, "item": clean_json(item)}))

    def _annotation(self, event: ResponseEvent, out: list[Delta]) -> None:
        self._cited.add(self._index(event))
        out.extend(citations_of([opened(event.annotation)]))

    # --- the end ----------------------------------------------------------------------------------

    def _terminal(self, kind: str, response: dict[str, Any], out: list[Delta]) -> None:
        """Trusts the status inside over the event's name."""
        if not self._started:
            self._start(response, out)
        status = text_at(response, "status")
        status = status if status in _TERMINAL else kind
        self._usage = response.get("usage") if isinstance(response.get("usage"), dict) else None
        if status in ("failed", "cancelled"):
            self._fail_with(
                error_in(response) or WireError(message=f"the response is {status}", code=status), out
            )
            return
        self._final_output(listed(response.get("output")), out)
        reason = "tool_calls" if self._calls else "stop"
        if status == "incomplete":
            details = response.get("incomplete_details")
            why = text_at(details, "reason") if isinstance(details, dict) else ""
            reason = "content_filter" if why == "content_filter" else "length"
        self._last_words(out)
        self._calls.ready(out, cut=status == "incomplete")
        self._finish(Finished(reason, status), out)

    def _final_output(self, items: list[dict[str, Any]], out: list[Delta]) -> None:
        """The finished answer, where it is given: fills in what the stream did not say."""
        if not (self._texts or self._refusals or self._reasoning or self._calls or self._closed):
            for index, item in enumerate(items):
                self._close_item(index, item, out)
            return
        for index, item in enumerate(items):
            if not self._closed and item.get("type") not in ("message", *CALL_TYPES):
                self._close_item(index, item, out)
        self._calls.final([item for item in items if item.get("type") in CALL_TYPES], out)
        parts = [
            part for item in items if item.get("type") == "message" for part in listed(item.get("content"))
        ]
        if not self._refusals:
            self._complete_refusal((0, 0), "".join(text_at(part, "refusal") for part in parts), out)
        whole = clean("".join(text_at(part, "text") for part in parts))
        shown = self._all_text()
        if not whole or whole == shown:
            return
        self._texts = {(0, 0): GrowingText()}
        self._texts[0, 0].complete(whole)
        if whole.startswith(shown):
            out.append(TextDelta(whole[len(shown) :]))
        else:
            self._revised = True

    def _end_of_body(self, out: list[Delta]) -> None:
        self._fail(ProviderCut(detail="the stream ended without a terminal event"), out)

    def _last_words(self, out: list[Delta]) -> None:
        out.extend(ReasoningDelta(left) for text in self._reasoning.values() if (left := text.rest()))
        out.extend(TextDelta(left) for text in self._texts.values() if (left := text.rest()))
        out.extend(RefusalDelta(left) for text in self._refusals.values() if (left := text.rest()))
        if self._revised:
            self._revised = False
            out.append(TextRevised(self._all_text()))
        self._calls.end(out)

    def _read_usage(self, usage: Any) -> Usage | None:
        return usage_of(usage)
