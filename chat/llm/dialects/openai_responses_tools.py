"""The tool calls of a Responses answer: function calls and custom (free text) calls."""

from collections.abc import Callable
from typing import Any, Final

from chat.llm.deltas import Delta, ToolArgumentsDelta, ToolCallReady, ToolCallStarted
from chat.llm.dialects.json_values import text_at
from chat.llm.dialects.text import GrowingText, clean, clean_json
from chat.llm.dialects.turns import is_object

DIALECT: Final = "openai_responses"
CALL_TYPES: Final = ("function_call", "custom_tool_call")
CARRIED: Final = ("caller", "namespace")
"""Members of a call that OpenAI wants back with it."""
_USUAL: Final[tuple[Any, ...]] = (None, "", {}, {"type": "direct"})


class _Call:
    __slots__ = (
        "arguments",
        "extra",
        "id",
        "kind",
        "made_up_id",
        "name",
        "shown",
        "slot",
        "started",
        "status",
    )

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.kind = CALL_TYPES[0]
        self.id = ""
        self.made_up_id = ""
        self.name = ""
        self.status = ""
        self.started = False
        self.arguments = GrowingText()
        self.shown = 0  # characters of the arguments; they wait for the name
        self.extra: dict[str, Any] = {}


class ResponseCalls:
    """Keyed by output index; `slot` is the order in which they appeared."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._calls: dict[int, _Call] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def item(self, index: int, item: dict[str, Any], out: list[Delta], *, done: bool) -> None:
        """An item of the answer that is a call, at its start or at its end."""
        call = self._call(index)
        call.kind = item["type"]
        call.id = call.id or clean(text_at(item, "call_id"))
        call.name = call.name or clean(text_at(item, "name"))
        call.extra |= {name: clean_json(item[name]) for name in CARRIED if item.get(name) not in _USUAL}
        if done:
            call.status = text_at(item, "status")
            self._complete(call, text_at(item, "arguments", "input"), out)
        self._show(call, out)

    def delta(self, index: int, fragment: str, out: list[Delta]) -> None:
        call = self._call(index)
        text = call.arguments.add(fragment)
        if call.started and text and call.shown >= 0:
            call.shown += len(text)
            out.append(ToolArgumentsDelta(call.slot, text))
        else:
            self._show(call, out)

    def arguments_done(self, index: int, whole: str, name: str, out: list[Delta]) -> None:
        call = self._call(index)
        call.name = call.name or clean(name)
        self._complete(call, whole, out)

    def final(self, items: list[dict[str, Any]], out: list[Delta]) -> None:
        """The calls of the finished answer: those not seen yet, and what the stream did not say of the others."""
        left = dict(self._calls)
        unknown = []
        for item in items:
            identity = clean(text_at(item, "call_id"))
            index = next((index for index, call in left.items() if identity and call.id == identity), None)
            if index is None:
                unknown.append(item)
            else:
                del left[index]
                self.item(index, item, out, done=True)
        for item in unknown:
            index = next((index for index, call in left.items() if _is_same(call, item)), None)
            if index is None:
                index = max(self._calls, default=-1) + 1
            left.pop(index, None)
            self.item(index, item, out, done=True)

    def end(self, out: list[Delta]) -> None:
        """Shows what was held back."""
        for call in self._calls.values():
            call.arguments.rest()
            if not call.started:
                self._start(call, out)
            self._show(call, out)

    def ready(self, out: list[Delta], *, cut: bool) -> None:
        """Hands the calls over, after `end`. `cut`: the answer hit a limit, so only calls that are whole."""
        for call in self._calls.values():
            custom = call.kind != CALL_TYPES[0]
            text = call.arguments.text
            if call.status == "incomplete" or (cut and not custom and not is_object(text)):
                continue
            opaque = {"dialect": DIALECT, "type": call.kind, **call.extra} if custom or call.extra else None
            text = text if custom else text or "{}"
            out.append(ToolCallReady(call.slot, call.id or call.made_up_id, call.name, text, opaque))

    def _call(self, index: int) -> _Call:
        call = self._calls.get(index)
        if call is None:
            call = self._calls[index] = _Call(len(self._calls))
        return call

    def _complete(self, call: _Call, whole: str, out: list[Delta]) -> None:
        if whole and call.arguments.complete(whole) is None:
            call.shown = -1  # what was shown is wrong; ToolCallReady has the right text
        self._show(call, out)

    def _start(self, call: _Call, out: list[Delta]) -> None:
        call.started = True
        if not call.id:
            call.made_up_id = self._new_id()
        out.append(ToolCallStarted(call.slot, call.id or call.made_up_id, call.name))

    def _show(self, call: _Call, out: list[Delta]) -> None:
        if call.name and not call.started:
            self._start(call, out)
        if not call.started or call.shown < 0:
            return
        text = call.arguments.text[call.shown :]
        if text:
            call.shown += len(text)
            out.append(ToolArgumentsDelta(call.slot, text))


def _is_same(call: _Call, item: dict[str, Any]) -> bool:
    """Whether an item whose id was never seen is this call: gateways change ids."""
    if call.name != clean(text_at(item, "name")):
        return False
    return not call.id or call.arguments.text == clean(text_at(item, "arguments", "input"))
