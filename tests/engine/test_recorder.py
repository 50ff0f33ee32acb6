"""How steps are stored among a message's parts."""

import json

from chat.engine.recorder import restored_steps, stored_parts, stored_steps
from chat.events.fold import StepState


def said(text):
    return {"type": "text", "text": text}


STEPS = [
    StepState(1, True, [{"type": "reasoning", "text": "", "opaque": {"signature": "a"}}, said("One.")]),
    StepState(2, False, [], [{"kind": "option_dropped", "model": "p/m", "option": "tools"}]),
    StepState(3, False, [said("Three.")]),
]


def test_stored_steps_come_back_with_their_parts_and_notes():
    stored = json.loads(json.dumps([stored_steps(STEPS), stored_parts(STEPS)]))
    assert restored_steps(*stored) == STEPS


def test_a_step_of_which_nothing_is_to_be_noted_is_stored_as_before():
    assert stored_steps(STEPS)[2] == {"step": 3, "finished": False, "parts": 1}
