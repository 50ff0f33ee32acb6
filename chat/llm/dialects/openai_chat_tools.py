"""Puts the fragments of tool calls together.

The protocol keys fragments by `index`; imitators leave it out, always send 0, start at 1, repeat id and name
with every fragment, or send whole calls without an id.
"""

import json
from collections.abc import Callable
from typing import Any

from chat.llm.deltas import Delta, ToolArgumentsDelta, ToolCallReady, ToolCallStarted
from chat.llm.dialects.openai_chat_chunks import FunctionFragment, ToolCallFragment
from chat.llm.dialects.text import TextJoiner, clean, clean_json
from chat.llm.dialects.turns import is_object


class _Call:
    __slots__ = ("arguments", "extra", "id", "joiner", "made_up_id", "name", "slot", "started", "waiting")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.id = ""
        self.made_up_id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.waiting: list[str] = []  # arguments that may not be shown yet
        self.started = False
        self.extra: Any = None
        self.joiner = TextJoiner()

    def text(self) -> str:
        """All arguments so far, in one piece."""
        if len(self.arguments) > 1:
            self.arguments = ["".join(self.arguments)]
        return self.arguments[0] if self.arguments else ""


class ToolCalls:
    """The calls of one answer; `slot` is the order of their first fragments."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._legacy: _Call | None = None
        self._held: list[Delta] = []  # of the legacy call

    def __bool__(self) -> bool:
        return bool(self._calls) or self._legacy is not None

    def add(self, fragment: ToolCallFragment, out: list[Delta]) -> None:
        function = fragment.function or FunctionFragment()
        self._legacy = None
        call = self._call_of(fragment, function)
        if not call.id and fragment.id:
            call.id = clean(fragment.id)
            self._by_id[fragment.id] = call
        if fragment.extra_content is not None:
            call.extra = clean_json(fragment.extra_content)
        self._extend(call, function, out)

    def add_legacy(self, function: FunctionFragment) -> None:
        """`function_call`: one call, no id. If `tool_calls` ever appears, those count alone.

        So it is told at the end only: what was shown cannot be taken back.
        """
        if self._calls or not (function.name or function.arguments or self._legacy):
            return
        self._legacy = self._legacy or _Call(0)
        self._extend(self._legacy, function, self._held)

    def end(self, out: list[Delta]) -> None:
        """Shows what was held back. The answer ends here, whole or not."""
        if self._legacy is not None and not self._calls:
            self._calls.append(self._legacy)
            out += self._held
        for call in self._calls:
            self._start(call, out)
            rest = "".join(call.waiting) + call.joiner.rest()
            call.waiting = []
            self._show(call, rest, out)

    def ready(self, out: list[Delta], *, cut: bool) -> None:
        """Hands the calls over, after `end`. `cut`: the answer hit a limit, so only calls that are whole."""
        for call in self._calls:
            text = call.text()
            if cut and not is_object(text):
                continue
            opaque = None if call.extra is None else {"dialect": "openai_chat", "extra_content": call.extra}
            identity = call.id or call.made_up_id
            out.append(ToolCallReady(call.slot, identity, call.name, text or "{}", opaque))

    def _open(self) -> _Call:
        call = _Call(len(self._calls))
        self._calls.append(call)
        return call

    def _call_of(self, fragment: ToolCallFragment, function: FunctionFragment) -> _Call:
        call: _Call | None
        if fragment.index is not None:
            call = self._by_index.get(fragment.index)
            if call is None or _is_another(call, fragment, function):
                call = self._by_index[fragment.index] = self._open()
            return call
        if fragment.id:
            return self._by_id.get(fragment.id) or self._open()
        return self._open() if function.name or not self._calls else self._calls[-1]

    def _extend(self, call: _Call, function: FunctionFragment, out: list[Delta]) -> None:
        if function.name and not call.name:
            call.name = clean(function.name)
        text = function.arguments
        if isinstance(text, dict):
            text = json.dumps(text, ensure_ascii=False)
        fresh = not call.started and bool(call.name)
        if not text and not fresh:
            return
        if fresh:
            self._start(call, out)
        if text and not (function.name and _is_repeated(call, text)):
            self._arguments(call, text, out)

    def _arguments(self, call: _Call, text: str, out: list[Delta]) -> None:
        if call.waiting == ["{}"]:
            call.waiting = []  # an empty object first, then the real text: the text replaces it
        elif text == "{}" and not call.arguments and not call.waiting:
            call.waiting = [text]
            return
        text = call.joiner.add(text)
        if call.started:
            self._show(call, "".join(call.waiting) + text, out)
            call.waiting = []
        else:
            call.waiting.append(text)

    def _start(self, call: _Call, out: list[Delta]) -> None:
        if call.started:
            return
        call.started = True
        if not call.id:
            call.made_up_id = self._new_id()
        out.append(ToolCallStarted(call.slot, call.id or call.made_up_id, call.name))
        if call.waiting != ["{}"]:
            self._show(call, "".join(call.waiting), out)
            call.waiting = []

    def _show(self, call: _Call, text: str, out: list[Delta]) -> None:
        if text:
            call.arguments.append(text)
            out.append(ToolArgumentsDelta(call.slot, text))


def _is_another(call: _Call, fragment: ToolCallFragment, function: FunctionFragment) -> bool:
    """Whether a fragment whose index is taken opens a call of its own (servers that number all calls 0)."""
    if not function.name:
        return False
    if fragment.id and call.id:
        return fragment.id != call.id
    if not call.name:
        return False
    if function.name != call.name:
        return True
    closed = bool(call.arguments) and call.arguments[-1].endswith("}")
    return closed and bool(function.arguments) and is_object(call.text())


def _is_repeated(call: _Call, text: str) -> bool:
    """Whether a fragment says the whole call once more, as some servers do at its end."""
    return text.startswith("{") and text.endswith("}") and text == call.text() and is_object(text)
