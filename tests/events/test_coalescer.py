from chat.conf import Coalescing
from chat.events.coalescer import Coalescer
from chat.events.run_events import ReasoningDelta, StepFinished, TextDelta, UsageFigures

STEP_END = StepFinished(step=1, finish_reason="stop", ttft_ms=1, usage=UsageFigures(), cost=None)


def coalescer():
    return Coalescer(Coalescing(window_ms=30, characters=20))


def test_without_pressure_every_delta_passes_at_once():
    gathered = coalescer()
    assert gathered.add([TextDelta("a")], hold=False) == [TextDelta("a")]
    assert gathered.add([TextDelta("b")], hold=False) == [TextDelta("b")]
    assert not gathered.holding


def test_the_first_delta_is_never_held_back():
    assert coalescer().add([TextDelta("a")], hold=True) == [TextDelta("a")]


def test_under_pressure_deltas_gather_until_they_are_flushed():
    gathered = coalescer()
    gathered.add([TextDelta("first ")], hold=True)
    assert gathered.add([TextDelta("b")], hold=True) == []
    assert gathered.add([TextDelta("c")], hold=True) == []
    assert gathered.holding
    assert gathered.flush() == [TextDelta("bc")]
    assert gathered.flush() == []


def test_enough_characters_pass_whatever_the_pressure():
    gathered = coalescer()
    gathered.add([TextDelta("first ")], hold=True)
    assert gathered.add([TextDelta("x" * 20)], hold=True) == [TextDelta("x" * 20)]


def test_a_sentence_that_ends_is_told():
    gathered = coalescer()
    gathered.add([TextDelta("first ")], hold=True)
    assert gathered.add([TextDelta("done. ")], hold=True) == [TextDelta("done. ")]


def test_deltas_that_arrive_together_become_one_event():
    assert coalescer().add([TextDelta("a"), TextDelta("b")], hold=False) == [TextDelta("ab")]


def test_kinds_are_not_mixed_and_keep_their_order():
    told = coalescer().add([ReasoningDelta("r"), TextDelta("t"), STEP_END], hold=False)
    assert told == [ReasoningDelta("r"), TextDelta("t"), STEP_END]


def test_any_other_event_pushes_out_what_was_held():
    gathered = coalescer()
    gathered.add([TextDelta("first ")], hold=True)
    gathered.add([TextDelta("held")], hold=True)
    assert gathered.add([STEP_END], hold=True) == [TextDelta("held"), STEP_END]


def test_what_is_opaque_passes_alone_and_in_its_place():
    seal = ReasoningDelta("", {"signature": "a"})
    events = [ReasoningDelta("r"), ReasoningDelta("s", "b"), ReasoningDelta("t"), TextDelta("u"), seal]
    told = coalescer().add(events, hold=False)
    assert told == events


def test_what_is_opaque_is_not_held_and_pushes_out_what_was():
    gathered = coalescer()
    gathered.add([ReasoningDelta("first ")], hold=True)
    gathered.add([ReasoningDelta("held")], hold=True)
    seal = ReasoningDelta("", {"signature": "a"})
    assert gathered.add([seal], hold=True) == [ReasoningDelta("held"), seal]
    assert not gathered.holding
