"""Chooses the script for a request, by the model's name and the words of the last user message.

`demo-n500-r50-d200` says `w0 w1 w2 …`: 500 deltas, 50 a second (0 = as fast as it can), the first
after 200 ms. `demo` gives one of the scripted answers. `fail:…`, in the message or at the end of the model's
name, makes it fail.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from chat.demo.answers import answer_for, pieces
from chat.demo.script import Cut, DemoRequest, Garbage, Hang, Pace, Refuse, Say, Script, Step, Think

MODELS = ("demo", "demo-n500-r50-d200", "demo-n2000-r0-d0")

MAX_DELTAS = 200_000
NATURAL = Pace(per_second=60, first_ms=150)
DELTAS_BEFORE_A_FAULT = 12
RETRY_AFTER_SECONDS = 2

_COUNTED = re.compile(r"demo-n(\d{1,7})-r(\d{1,6})-d(\d{1,6})")
_FAULT = re.compile(r"\bfail:(cut|hang-first|hang|garbage|[45]\d\d)\b", re.IGNORECASE)
_FAULT_OF_MODEL = re.compile(r"-fail:(cut|hang-first|hang|garbage|[45]\d\d)$")

_REFUSALS = {
    400: "This request is refused because you asked for it.",
    401: "Incorrect API key provided. Any key will do, but you asked for this refusal.",
    429: "Rate limit reached because you asked for it. Please try again in 2 s.",
    500: "The server had an error because you asked for one.",
}


def play_for(request: DemoRequest) -> Script | Refuse:
    """The answer to a request, or the refusal it asked for."""
    name, fault = _model_and_fault(request)
    if fault.isdigit():
        return _refusal(int(fault))
    counted = _COUNTED.fullmatch(name)
    if counted is None and name != "demo":
        return Refuse(404, f"The model '{request.model}' does not exist. There are: {', '.join(MODELS)}.")
    script = _counting(*(int(group) for group in counted.groups())) if counted else _answer(request)
    return Script(script.pace, _with_fault(fault, script.steps)) if fault else script


def _model_and_fault(request: DemoRequest) -> tuple[str, str]:
    at_the_end = _FAULT_OF_MODEL.search(request.model)
    if at_the_end:
        return request.model[: at_the_end.start()], at_the_end[1]
    in_the_message = _FAULT.search(request.prompt)
    return request.model, in_the_message[1].lower() if in_the_message else ""


def _refusal(status: int) -> Refuse:
    message = _REFUSALS.get(status, f"You asked for the status {status}.")
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status in (429, 503, 529) else {}
    return Refuse(status, message, headers)


def _counting(count: int, per_second: int, first_ms: int) -> Script:
    steps = (Say(f"w{index} ") for index in range(min(count, MAX_DELTAS)))
    return Script(Pace(per_second, first_ms), steps)


def _answer(request: DemoRequest) -> Script:
    answer = answer_for(request)
    thoughts: list[Step] = [Think(piece) for piece in pieces(answer.reasoning)]
    return Script(NATURAL, [*thoughts, *(Say(piece) for piece in pieces(answer.text))])


def _with_fault(fault: str, steps: Iterable[Step]) -> Iterator[Step]:
    """The fault comes in mid-stream, so that there is something to keep; `hang-first` before everything."""
    source = iter(steps)
    if fault != "hang-first":
        yield from islice(source, DELTAS_BEFORE_A_FAULT)
    if fault == "cut":
        yield Cut()
    elif fault == "garbage":
        yield Garbage()
        yield from source
    else:
        yield Hang()
