"""Hostile streams: whatever a provider sends, an answer ends once, in order, in text fit for storage.

Always the same streams, a few hundred of each dialect. `make fuzz` looks for new ones.
"""

import random

import pytest

from tests.fuzz.seeds import STREAMS
from tests.fuzz.spoiling import hostile
from tests.fuzz.targets import TARGETS

ROUNDS = 400


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_hostile_streams_end_once_and_in_order(name: str):
    dice = random.Random(name)  # noqa: S311  the same streams in every run
    for _ in range(ROUNDS):
        TARGETS[name](hostile(STREAMS[name], dice))


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_hostile_recordings_give_facts(name: str):
    dice = random.Random(name)  # noqa: S311
    for _ in range(ROUNDS // 4):
        TARGETS["replay"](hostile(STREAMS[name], dice))


@pytest.mark.parametrize("size", range(1, 60, 7))
def test_any_bytes_are_events_or_too_large(size: int):
    dice = random.Random(size)  # noqa: S311
    for _ in range(ROUNDS // 4):
        alphabet = dice.choice([b"data: \r\n", b":\n\r ", bytes(range(256))])
        TARGETS["sse"](bytes(dice.choice(alphabet) for _ in range(size * 10)))
