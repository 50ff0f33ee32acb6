"""Commands are read strictly; what is wrong is a bad frame, whatever it is."""

import json
import uuid

import pytest

from chat.exceptions import BadFrame
from chat.websocket import commands

KEY = str(uuid.uuid4())


def start(**more):
    return json.dumps({"type": "run.start", "key": KEY, "models": ["m"], **more})


def test_a_command_is_read_with_its_defaults():
    command = commands.decode(start(ref=7))
    assert isinstance(command, commands.RunStart)
    assert (command.ref, command.conversation, command.content) == (7, None, None)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"type": "run.dance"}',
        '{"type": 5}',
        '{"type": "run.stop"}',
        '{"type": "run.stop", "run": "no uuid"}',
        '{"type": "ack", "run": "' + KEY + '"}',
        start(key="no uuid"),
        start(models="m"),
        start(content="text"),
        start(options={"temperature": "hot"}),
        start(options={"temperature": -5}),
        start(options={"temperature": 1e308}),
        start(options={"max_output_tokens": -1}),
        start(options={"max_output_tokens": 10**30}),
        start(options={"reasoning_effort": "x" * 1000}),
        start(options={"system": "x" * 64_001}),
        start(options={"colour": "red"}),
        "[" * 100_000,
        '{"type": "ping", "ref": ' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_what_is_no_command_is_a_bad_frame(frame):
    with pytest.raises(BadFrame):
        commands.decode(frame)


@pytest.mark.parametrize(
    ("frame", "ref"),
    [
        ('{"type": "run.dance", "ref": 3}', 3),
        ('{"ref": "a"}', "a"),
        ('{"ref": {}}', None),
        ("[", None),
        ("[1]", None),
    ],
)
def test_a_bad_frame_is_answered_under_its_ref_where_it_has_one(frame, ref):
    assert commands.ref_of(frame) == ref
