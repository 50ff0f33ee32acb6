"""The pure middle of a run: deltas in, events out."""

from itertools import count

from chat.engine.loop import Step
from chat.events import run_events as ev
from chat.events.fold import RunState
from chat.llm import deltas as d


def first_step(*declared):
    numbers = count(1)
    return Step(1, new_id=lambda: f"i{next(numbers)}", declared=frozenset(declared))


def fold(events):
    state = RunState()
    for event in [ev.StepStarted(step=1, model="m"), *events]:
        state.apply(event)
    return state.parts


def test_what_is_shown_becomes_events_and_the_rest_is_remembered():
    step = first_step()
    events = step.take(
        [
            d.Started("id-1", "model"),
            d.ReasoningDelta("hm"),
            d.TextDelta("yes"),
            d.UsageReported(d.Usage(input_tokens=3, output_tokens=4)),
            d.Finished("stop", "end_turn"),
        ]
    )
    assert events == [ev.ReasoningDelta("hm"), ev.TextDelta("yes")]
    assert (step.upstream_id, step.finish_reason) == ("id-1", "stop")
    assert step.usage == d.Usage(input_tokens=3, output_tokens=4)
    assert step.written == "hmyes"


def test_a_signature_without_words_goes_to_the_thought_it_signs():
    step = first_step()
    events = step.take([d.ReasoningDelta("hm"), d.ReasoningDelta("", opaque={"signature": "s"})])
    assert fold(events) == [{"type": "reasoning", "text": "hm", "opaque": {"signature": "s"}}]


def test_words_taken_back_are_replaced_and_the_thoughts_stay():
    step = first_step()
    events = step.take([d.ReasoningDelta("hm"), d.TextDelta("wrnog"), d.TextRevised("right")])
    assert fold(events) == [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "right"}]
    assert step.written == "hmright"


def test_signatures_outlive_words_taken_back():
    step = first_step()
    events = step.take([d.ReasoningDelta("hm", opaque={"signature": "s"}), d.TextRevised("right")])
    assert fold(events)[0] == {"type": "reasoning", "text": "hm", "opaque": {"signature": "s"}}


def test_an_unheard_of_reason_is_unknown():
    step = first_step()
    step.take([d.Finished("tired", "tired")])
    assert step.finish_reason == "unknown"


def a_call(slot=0, name="get_weather", arguments='{"city": "Paris"}'):
    half = len(arguments) // 2
    return [
        d.ToolCallStarted(slot, f"call_{slot}", name),
        d.ToolArgumentsDelta(slot, arguments[:half]),
        d.ToolArgumentsDelta(slot, arguments[half:]),
        d.ToolCallReady(slot, f"call_{slot}", name, arguments),
    ]


def test_a_call_is_told_as_it_forms_and_remembered_as_it_was_written():
    step = first_step()
    events = step.take([d.TextDelta("Let me look. "), *a_call(), d.Finished("tool_calls", "tool_calls")])
    assert [type(event) for event in events] == [
        ev.TextDelta,
        ev.ToolStarted,
        ev.ToolArgumentsDelta,
        ev.ToolArgumentsDelta,
        ev.ToolReady,
    ]
    (call,) = step.calls
    assert (call.invocation, call.id, call.name) == ("i1", "call_0", "get_weather")
    assert call.arguments == '{"city": "Paris"}'
    assert fold(events)[1] == {
        "type": "tool_call",
        "invocation": "i1",
        "name": "get_weather",
        "arguments": {"city": "Paris"},
    }


def test_calls_side_by_side_keep_their_names():
    step = first_step()
    one, other = a_call(0, arguments='{"city": "Rome"}'), a_call(1)
    mixed = [delta for pair in zip(one, other, strict=True) for delta in pair]
    parts = fold(step.take(mixed))
    assert [part["arguments"] for part in parts] == [{"city": "Rome"}, {"city": "Paris"}]
    assert [call.invocation for call in step.calls] == ["i1", "i2"]


def test_words_taken_back_leave_the_calls_under_their_names():
    step = first_step()
    events = step.take([*a_call(), d.TextRevised("better")])
    parts = fold(events)
    assert [part["type"] for part in parts] == ["tool_call", "text"]
    assert parts[0]["invocation"] == step.calls[0].invocation == "i1"


def test_a_wrapper_of_calls_is_shown_as_the_calls_in_it():
    step = first_step("get_weather")
    inside = (
        '{"tool_uses": [{"recipient_name": "functions.get_weather", "parameters": {"city": "Rome"}}, '
        '{"recipient_name": "functions.get_weather", "parameters": {}}]}'
    )
    parts = fold(step.take(a_call(name="multi_tool_use.parallel", arguments=inside)))
    assert [(part["name"], part["arguments"]) for part in parts] == [
        ("get_weather", {"city": "Rome"}),
        ("get_weather", {}),
    ]
    assert [call.invocation for call in step.calls] == ["i1", "i2"]


def test_arguments_that_are_no_json_are_shown_as_they_are():
    parts = fold(first_step().take(a_call(arguments='{"city": ')))
    assert parts[0]["arguments"] == '{"city": '
