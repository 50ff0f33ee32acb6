"""How a request asks for a fault, and how often it has asked.

`fail:NAME` in the last user message, or `-fail:NAME` at the end of the model's name. `fail:NAMExK` fails the
first K attempts of the same conversation and answers then; `fail-key:WORD` (in a model's name: `-key:WORD`)
counts by that word instead.
"""

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import msgspec

from chat.demo.faults import FAULTS, Fault, fault_named
from chat.demo.script import DemoRequest

MAX_REMEMBERED: Final = 10_000
"""Conversations whose attempts are counted; the oldest are forgotten."""

_NAMES = "|".join(sorted(map(re.escape, FAULTS), key=len, reverse=True)) + r"|[45]\d\d"
_IN_MESSAGE = re.compile(rf"\bfail:({_NAMES})(?:x(\d{{1,4}}))?(?!\w|-\w)", re.IGNORECASE)
_IN_MODEL = re.compile(rf"-fail:({_NAMES})(?:x(\d{{1,4}}))?(?:-key:([\w.]+))?$")
_KEY = re.compile(r"\bfail-key:([\w.-]+)")


@dataclass(frozen=True)
class Asked:
    """A fault for the first `times` attempts (None: for all) of a conversation or of what has the same `key`."""

    fault: Fault
    times: int | None = None
    key: str = ""


def model_and_fault(request: DemoRequest) -> tuple[str, Asked | None]:
    """The model's name without the fault, and the fault asked for by the name or else by the message."""
    found = _IN_MODEL.search(request.model)
    name = request.model[: found.start()] if found else request.model
    found = found or _IN_MESSAGE.search(request.prompt)
    if found is None:
        return name, None
    key = _KEY.search(request.prompt)
    named = found[3] if found.re is _IN_MODEL else None
    times = int(found[2]) if found[2] else None
    return name, Asked(fault_named(found[1].lower()), times, named or (key[1] if key else ""))


def without_faults(prompt: str) -> str:
    """The words that are left for the answer."""
    return _KEY.sub("", _IN_MESSAGE.sub("", prompt))


class Attempts:
    """Counts how often the same was asked for, to answer after K failures."""

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._most = most

    def fails(self, asked: Asked, request: DemoRequest) -> bool:
        """Whether this attempt is to fail; it counts."""
        if asked.times is None:
            return True
        key = f"{asked.fault.name} {request.model} {asked.key or _digest(request)}"
        count = self._counts.pop(key, 0) + 1
        self._counts[key] = count
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return count <= asked.times


def _digest(request: DemoRequest) -> str:
    raw = msgspec.json.encode([request.prompt, request.conversation])
    return hashlib.sha256(raw).hexdigest()
