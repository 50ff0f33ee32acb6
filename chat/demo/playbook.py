"""Chooses the script for a request, by the model's name and the words of the last user message.

`demo-n500-r50-d200` says `w0 w1 w2 …`: 500 deltas, 50 a second (0 = as fast as it can), the first
after 200 ms. `demo` calls the declared tools it is asked for, answers in JSON where a schema is given, refuses
when asked to, and gives one of the scripted answers else. `fail:…` makes it fail (chat.demo.faults).
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, count, islice

from chat.demo.answers import REFUSAL, TOOLS_FIRST, answer_for, answer_with, asks_for_a_refusal, pieces
from chat.demo.asking import Attempts, model_and_fault, without_faults
from chat.demo.calls import WantedCall, wanted_calls
from chat.demo.faults import SOME_DELTAS, Disturb
from chat.demo.samples import sample
from chat.demo.script import (
    Arguments,
    Call,
    Decline,
    DemoRequest,
    Pace,
    Play,
    Refuse,
    Say,
    Script,
    Step,
    Think,
)

MODELS = ("demo", "demo-n500-r50-d200", "demo-n2000-r0-d0")

MAX_DELTAS = 200_000
NATURAL = Pace(per_second=60, first_ms=150)
ARGUMENT_CHARACTERS = 5
MADE_UP_CALL = WantedCall("look_up", '{"words": "a call that nobody declared, to be cut"}')

_COUNTED = re.compile(r"demo-n(\d{1,7})-r(\d{1,6})-d(\d{1,6})")


def play_for(request: DemoRequest, attempts: Attempts | None = None, natural_pace: Pace = NATURAL) -> Play:
    """The answer to a request, or whatever it asked for instead. Without `attempts` every one is the first."""
    name, asked = model_and_fault(request)
    disturb: Disturb | None = None
    if asked is not None and (attempts or Attempts()).fails(asked, request):
        if not isinstance(asked.fault.act, Disturb):
            return asked.fault.act
        disturb = asked.fault.act
    request = replace(request, prompt=without_faults(request.prompt)) if asked else request
    counted = _COUNTED.fullmatch(name)
    if counted is None and name != "demo":
        return Refuse(404, f"The model '{request.model}' does not exist. There are: {', '.join(MODELS)}.")
    if counted is not None:
        script = _counting(*(int(group) for group in counted.groups()))
    else:
        script = Script(natural_pace, _answer(request))
    return _disturbed(disturb, script, request) if disturb else script


def _counting(count_of_deltas: int, per_second: int, first_ms: int) -> Script:
    return Script(Pace(per_second, first_ms), _words(range(min(count_of_deltas, MAX_DELTAS))))


def _words(numbers: Iterable[int]) -> Iterator[Say]:
    return (Say(f"w{index} ") for index in numbers)


# --- what the model `demo` answers ----------------------------------------------------------------


def _answer(request: DemoRequest) -> list[Step]:
    answer = answer_for(request)
    thoughts: list[Step] = [Think(piece) for piece in pieces(answer.reasoning)]
    calls = wanted_calls(request)
    if calls:
        words = [Say(piece) for piece in pieces(TOOLS_FIRST)] if request.tool_choice == "auto" else []
        return [*thoughts, *words, *_call_steps(calls)]
    if request.schema is not None:
        written = json.dumps(sample(request.schema, text="a scripted answer"), ensure_ascii=False)
        return [*thoughts, *(Say(piece) for piece in _fragments(written))]
    if request.results:
        return [*thoughts, *(Say(piece) for piece in pieces(answer_with(request.results)))]
    if asks_for_a_refusal(request.prompt):
        return [Decline(piece) for piece in pieces(REFUSAL)]
    return [*thoughts, *(Say(piece) for piece in pieces(answer.text))]


def _call_steps(calls: Iterable[WantedCall]) -> Iterator[Step]:
    for call in calls:
        yield Call(call.name)
        for fragment in _fragments(call.arguments):
            yield Arguments(fragment)


def _fragments(text: str) -> Iterator[str]:
    """Cut without regard to words, as arguments arrive."""
    return (text[at : at + ARGUMENT_CHARACTERS] for at in range(0, len(text), ARGUMENT_CHARACTERS))


# --- what spoils it -------------------------------------------------------------------------------


def _disturbed(disturb: Disturb, script: Script, request: DemoRequest) -> Script:
    pace = script.pace
    steps: Iterable[Step] = script.steps
    if disturb.endless:
        pace = pace if pace.per_second else replace(pace, per_second=NATURAL.per_second)
        steps = _words(count())
    elif disturb.in_arguments:
        steps = _half_a_call(request)
    return Script(pace, _with_trouble(disturb, steps), disturb.delivery)


def _half_a_call(request: DemoRequest) -> Iterator[Step]:
    """Of the calls that are asked for the first, of the declared tools any, else one that nobody declared."""
    forced = replace(request, results=(), tool_choice="required")
    call = next(iter(wanted_calls(forced)), MADE_UP_CALL)
    yield Call(call.name)
    half = call.arguments[: max(1, len(call.arguments) // 2)]
    yield from (Arguments(fragment) for fragment in _fragments(half))


def _with_trouble(disturb: Disturb, steps: Iterable[Step]) -> Iterator[Step]:
    source = iter(steps)
    if disturb.step is None:
        yield from source
        return
    if not disturb.at_once:
        yield from islice(source, SOME_DELTAS)
    yield disturb.step
    yield from source if disturb.resumes else chain()
