"""Which of the declared tools a message asks for, and with what arguments."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chat.demo.samples import sample
from chat.demo.script import DeclaredTool, DemoRequest

MAX_CALLS = 16
READ_CHARACTERS = 2000
"""Nobody asks for a tool further behind, and patterns cost on long texts."""


@dataclass(frozen=True)
class WantedCall:
    """`arguments` is JSON, as a model would write it."""

    name: str
    arguments: str


@dataclass(frozen=True)
class _Habit:
    """A tool whose name has `tool` in it is called when `words` are said; group 1 is its argument.

    `many`: the argument is a list in words ("Berlin, Paris and Rome"), a call for each. A tool with `but` in its name
    is another habit's.
    """

    tool: str
    words: re.Pattern[str]
    many: bool = False
    but: str = ""

    def fits(self, name: str) -> bool:
        name = name.lower()
        return self.tool in name and not (self.but and self.but in name)


_ASKED = re.compile(r"\bcall:([\w.-]+)[ \t]*")
_AND = re.compile(r"\s*(?:,|;|&|\band\b|\bund\b|和|、)\s*")
_AFTERTHOUGHT = re.compile(r"\s+(?:today|tomorrow|now|please|right now)\b.*", re.IGNORECASE)
_UP_TO_THE_STOP = r"([^?!.\n`]+)"

_HABITS = (
    _Habit(
        "weather", re.compile(r"\bweather\b.*?\b(?:in|for|at)\s+" + _UP_TO_THE_STOP, re.IGNORECASE), many=True
    ),
    _Habit("time", re.compile(r"\btime\b.*?\bin\s+" + _UP_TO_THE_STOP, re.IGNORECASE), many=True),
    _Habit("time", re.compile(r"\bwhat time is it\b()", re.IGNORECASE)),
    _Habit("calc", re.compile(r"(\(*\d[\d.,]*(?:\s*[-+*/×÷^%][(\s]*\d[\d.,)]*)+)")),
    _Habit("stock", re.compile(r"\bstock\b.*?\b(?:of|for)\s+" + _UP_TO_THE_STOP, re.IGNORECASE), many=True),
    _Habit("order", re.compile(r"\b(ORD-\d{8}-\w{5})\b")),
    _Habit(
        "conversation",
        re.compile(r"\b(?:conversations|chats)\b.*?\b(?:for|about)\s+" + _UP_TO_THE_STOP, re.IGNORECASE),
    ),
    _Habit(
        "search",
        re.compile(
            r"\b(?:search|look)\b(?!.*\b(?:conversations|chats)\b).*?\bfor\s+" + _UP_TO_THE_STOP,
            re.IGNORECASE,
        ),
        but="conversation",
    ),
)


def wanted_calls(request: DemoRequest) -> list[WantedCall]:
    """In the order of the message, each once. None where the request forbids calls or has its results."""
    if not request.tools or request.results or request.tool_choice == "none":
        return []
    tools = {tool.name: tool for tool in request.tools}
    if request.tool_choice in tools:
        tools = {request.tool_choice: tools[request.tool_choice]}
    named = dict.fromkeys(_by_name(request.prompt, tools))
    found = list(named or dict.fromkeys(_by_habit(request.prompt, tools)))
    if not found and request.tool_choice != "auto":
        first = next(iter(tools.values()))
        found = [WantedCall(first.name, _json(sample(first.parameters)))]
    return found[:MAX_CALLS]


def _by_name(prompt: str, tools: Mapping[str, DeclaredTool]) -> Iterator[WantedCall]:
    """`call:NAME {json}`; without the JSON the arguments are made up from the tool's schema."""
    for asked in _ASKED.finditer(prompt):
        tool = tools.get(asked[1]) or tools.get(asked[1].rstrip("."))
        if tool is not None:
            given = _object_at(prompt, asked.end())
            yield WantedCall(tool.name, given or _json(sample(tool.parameters)))


def _object_at(prompt: str, start: int) -> str:
    """The text of the JSON object that begins there, as it was written."""
    if not prompt.startswith("{", start):
        return ""
    try:
        _, end = json.JSONDecoder().raw_decode(prompt, start)
    except (ValueError, RecursionError):
        return ""
    return prompt[start:end]


def _by_habit(prompt: str, tools: Mapping[str, DeclaredTool]) -> Iterator[WantedCall]:
    called: set[str] = set()
    for habit in _HABITS:
        said = habit.words.search(prompt[:READ_CHARACTERS])
        tool = next((tool for name, tool in tools.items() if habit.fits(name)), None)
        if said is None or tool is None or tool.name in called:
            continue
        called.add(tool.name)
        for value in _listed(said[1]) if habit.many else [said[1].strip()]:
            yield WantedCall(tool.name, _json(_arguments(tool, value)))


def _listed(words: str) -> list[str]:
    """The names in a list; other words in it (", please") are none, unless all are written small."""
    values = [_AFTERTHOUGHT.sub("", value).strip() for value in _AND.split(words)]
    values = [value for value in values if value]
    return [value for value in values if not value[0].islower()] or values


def _arguments(tool: DeclaredTool, value: str) -> dict[str, Any]:
    """The value for the parameter that matters most, made-up ones for the others that are required."""
    properties = tool.parameters.get("properties") or {}
    required = [name for name in tool.parameters.get("required") or () if name in properties]
    chosen = next(iter([*required, *properties]), None)
    if chosen is None or not value:
        return {name: sample(properties[name]) for name in required}
    return {chosen: value, **{name: sample(properties[name]) for name in required if name != chosen}}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
