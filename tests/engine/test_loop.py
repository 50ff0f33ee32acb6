"""The pure middle of a run: deltas in, events out."""

from chat.engine.loop import Step
from chat.events import run_events as ev
from chat.events.fold import RunState
from chat.llm import deltas as d


def fold(events):
    state = RunState()
    for event in [ev.StepStarted(step=1, model="m"), *events]:
        state.apply(event)
    return state.parts


def test_what_is_shown_becomes_events_and_the_rest_is_remembered():
    step = Step(1)
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
    step = Step(1)
    events = step.take([d.ReasoningDelta("hm"), d.ReasoningDelta("", opaque={"signature": "s"})])
    assert fold(events) == [{"type": "reasoning", "text": "hm", "opaque": {"signature": "s"}}]


def test_words_taken_back_are_replaced_and_the_thoughts_stay():
    step = Step(1)
    events = step.take([d.ReasoningDelta("hm"), d.TextDelta("wrnog"), d.TextRevised("right")])
    assert fold(events) == [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "right"}]
    assert step.written == "hmright"


def test_signatures_outlive_words_taken_back():
    step = Step(1)
    events = step.take([d.ReasoningDelta("hm", opaque={"signature": "s"}), d.TextRevised("right")])
    assert fold(events)[0] == {"type": "reasoning", "text": "hm", "opaque": {"signature": "s"}}


def test_an_unheard_of_reason_is_unknown():
    step = Step(1)
    step.take([d.Finished("tired", "tired")])
    assert step.finish_reason == "unknown"
