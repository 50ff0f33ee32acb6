"""What fuzzing has found once is not found again; and what it checks by can fail."""

import pytest

from chat.exceptions import ProviderCut
from chat.llm.deltas import Failed, Finished, TextDelta, ToolCallReady, ToolCallStarted
from tests.fuzz.checks import check_answer, check_text
from tests.fuzz.seeds import FOUND, seeds_of
from tests.fuzz.targets import TARGETS

INPUTS = [
    pytest.param(target, path, id=f"{target}-{path.name}")
    for target in TARGETS
    for path in sorted((FOUND / target).glob("*"))
]
END = Finished("stop", "stop")


@pytest.mark.parametrize(("target", "path"), INPUTS)
def test_an_input_that_was_found_keeps_every_promise(target, path):
    TARGETS[target](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_what_fuzzing_begins_with_keeps_every_promise(target):
    for seed in seeds_of(target):
        TARGETS[target](seed)


@pytest.mark.parametrize(
    "deltas",
    [
        [],
        [TextDelta("a")],
        [END, END],
        [Failed(ProviderCut()), TextDelta("a")],
        [TextDelta("a\x00"), END],
        [ToolCallReady(0, "x", "f", "{}"), END],
        [ToolCallStarted(0, "x", "f"), ToolCallReady(0, "x", "f", "{}"), Failed(ProviderCut())],
        [TextDelta("a" * 100_000), END],
    ],
)
def test_an_answer_that_breaks_a_promise_is_noticed(deltas):
    with pytest.raises(AssertionError):
        check_answer(deltas, sent_bytes=10)


def test_a_lone_surrogate_cannot_be_stored():
    with pytest.raises(UnicodeEncodeError):
        check_text({"a": ["\ud800"]})
