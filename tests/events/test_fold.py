"""The fold's law, on the fixtures that the browser's twin runs too."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.events import run_events as ev
from chat.events.codec import decode_event
from chat.events.fold import RunState

FIXTURES = sorted((Path(__file__).parent.parent / "fixtures" / "fold").glob("*.json"))
KNOWN = {kind.__struct_config__.tag for kind in ev.RunEvent.__args__}


def fold(events, state=None):
    state = state or RunState()
    for event in events:
        state.apply(event)
    return state


def read_events(fixture):
    # Types that are not ours yet are skipped at the edge, as the browser skips them.
    return [decode_event(json.dumps(event)) for event in fixture["events"] if event["type"] in KNOWN]


@pytest.mark.parametrize("file", FIXTURES, ids=lambda file: file.stem)
def test_events_fold_to_the_state_that_both_sides_agree_on(file):
    fixture = json.loads(file.read_text(encoding="utf-8"))
    assert fold(read_events(fixture)).as_dict() == fixture["state"]


@pytest.mark.parametrize("file", FIXTURES, ids=lambda file: file.stem)
def test_a_snapshot_anywhere_and_the_events_after_it_fold_to_the_same(file):
    fixture = json.loads(file.read_text(encoding="utf-8"))
    events = read_events(fixture)
    for place in range(len(events) + 1):
        snapshot = msgspec.convert(fold(events[:place]).as_dict(), dict)
        resumed = fold([ev.RunSnapshot(state=snapshot), *events[place:]])
        assert resumed.as_dict() == fixture["state"]


def test_there_are_fixtures_to_fold():
    assert len(FIXTURES) >= 12


@given(st.lists(st.text(max_size=5), max_size=30), st.integers(1, 5))
def test_text_is_the_concatenation_of_its_deltas_however_often_somebody_looks(texts, every):
    state = fold([ev.RunStarted(model="m", message="x"), ev.StepStarted(step=1, model="m")])
    for number, text in enumerate(texts):
        state.apply(ev.TextDelta(text))
        if number % every == 0:
            assert "".join(part["text"] for part in state.parts) == "".join(texts[: number + 1])
    assert len(state.parts) == (1 if texts else 0)


def test_a_snapshot_is_not_changed_by_what_comes_after_it():
    state = fold([ev.StepStarted(step=1, model="m"), ev.TextDelta("a")])
    snapshot = state.as_dict()
    state.apply(ev.TextDelta("b"))
    assert snapshot["steps"][0]["parts"] == [{"type": "text", "text": "a"}]
    assert state.parts == [{"type": "text", "text": "ab"}]


def test_a_copy_of_a_step_stays_as_it_is():
    state = fold([ev.StepStarted(step=1, model="m"), ev.ReasoningDelta("a")])
    copy = state.steps[0].copy()
    for event in (ev.ReasoningDelta("b", "seal"), ev.StepNote(1, "option_dropped", "m", option="tools")):
        state.apply(event)
    assert copy.as_dict() == {"step": 1, "finished": False, "parts": [{"type": "reasoning", "text": "a"}]}
