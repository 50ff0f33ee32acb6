"""Decoding stays within a few times of what reading the JSON alone costs. The figures: python bench/dialects.py"""

import json
import time

import pytest

from bench.dialect_streams import Stream, made_up, repeated
from chat.llm.dialects.registry import DIALECTS

MOST_TIMES = 15
"""About one in quiet; the slack is for machines that do other things at the same time."""


def seconds_to_decode(dialect: str, stream: Stream) -> float:
    decoder = DIALECTS[dialect].decoder()
    began = time.process_time()
    deltas = sum(len(decoder.feed(chunk)) for chunk in stream) + len(decoder.close())
    seconds = time.process_time() - began
    assert deltas > len(stream) / 2
    return seconds


def seconds_of_json_alone(stream: Stream) -> float:
    began = time.process_time()
    for chunk in stream[1:-1]:
        json.loads(chunk.partition(b"data: ")[2])
    return time.process_time() - began


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_decoding_costs_a_few_times_what_its_json_costs(dialect):
    stream = repeated(made_up(dialect), 300_000)
    ratios = [seconds_to_decode(dialect, stream) / seconds_of_json_alone(stream) for _ in range(5)]
    assert min(ratios) < MOST_TIMES


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_a_delta_late_in_a_long_answer_costs_what_an_early_one_costs(dialect):
    short, long = (repeated(made_up(dialect), size) for size in (200_000, 3_200_000))
    costs = [
        (seconds_to_decode(dialect, long) / len(long)) / (seconds_to_decode(dialect, short) / len(short))
        for _ in range(3)
    ]
    assert min(costs) < MOST_TIMES / 3
