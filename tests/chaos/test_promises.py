"""What is measured by can fail: a run in which something is wrong is noticed."""

from decimal import Decimal
from typing import Any

import pytest

from chat.demo.faults import FAULTS
from chat.models import ModelCall, Run
from tests.chaos import promises
from tests.chaos.promises import words
from tests.chaos.runs import DELTAS, Ended

CUT = FAULTS["cut"]
COMPLETED = {"type": "run.finished", "status": "completed"}
FAILED = {"type": "run.finished", "status": "failed", "error": {"code": "provider_cut"}}
RETRY = [{"type": "step.reset", "reason": "retrying"}, {"type": "run.retrying"}]


def said(text: str) -> dict[str, Any]:
    return {"type": "text.delta", "text": text}


def snapshot(text: str) -> dict[str, Any]:
    return {"type": "run.snapshot", "state": {"steps": [{"parts": [{"type": "text", "text": text}]}]}}


def answered(attempt: int = 1, **columns: Any) -> ModelCall:
    usual = {
        "outcome": "completed",
        "http_status": 200,
        "input_tokens": 1000,
        "output_tokens": DELTAS,
        "usage_source": "reported",
        "cost": Decimal("0.00375"),
    }
    return ModelCall(attempt=attempt, **{**usual, **columns})


def run_of(events: list[dict[str, Any]], text: str, *calls: ModelCall, **columns: Any) -> Ended:
    known = {"input_tokens": 1000, "output_tokens": DELTAS}
    row = Run(status=events[-1].get("status", ""), **{"usage": known, "cost": Decimal("0.00375"), **columns})
    return Ended("r", events, 0.1, text, row, list(calls))


GOOD = run_of([said(words(DELTAS)), COMPLETED], words(DELTAS), answered())


def test_a_good_run_is_good():
    assert promises.text(GOOD, None) == promises.bill(GOOD, None) == ""
    assert promises.ending(GOOD, FAULTS["bad-utf8"]) == ""


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([said(words(DELTAS)), COMPLETED], words(DELTAS - 1)),
        ([said(words(DELTAS - 1)), COMPLETED], words(DELTAS - 1)),
        ([said(words(3)), said(words(DELTAS)), COMPLETED], words(3) + words(DELTAS)),
        ([said("w0 w2 "), FAILED], "w0 w2 "),
        ([said(words(5)), *RETRY, said(words(2)), FAILED], words(2)),
        ([said(words(2)), *RETRY, snapshot(words(5)), FAILED], words(5)),
    ],
    ids=["stored less", "not whole", "doubled", "swapped", "not the longest", "never shown"],
)
def test_a_wrong_text_is_noticed(events, text):
    assert promises.text(run_of(events, text), CUT) != ""


def test_the_longest_attempt_may_stay():
    events = [said(words(5)), *RETRY, said(words(2)), snapshot(words(5)), FAILED]
    assert promises.text(run_of(events, words(5)), CUT) == ""


@pytest.mark.parametrize(
    "one",
    [
        run_of([said(words(5))], words(5)),
        run_of([FAILED, FAILED], ""),
        run_of([COMPLETED], ""),
        run_of([{**FAILED, "error": {"code": "internal"}}], ""),
        Ended("r", [FAILED], 6.7, "", Run(status="failed", duration_ms=6600)),
        Ended("r", [FAILED], 3.1, "", Run(status="failed", duration_ms=1000)),
        Ended("r", [FAILED], 0.1, "", Run(status="completed")),
    ],
    ids=[
        "hung",
        "ended twice",
        "completed",
        "another error",
        "decided late",
        "told late",
        "stored otherwise",
    ],
)
def test_a_wrong_end_is_noticed(one):
    assert promises.ending(one, CUT) != ""


@pytest.mark.parametrize(
    "calls",
    [
        [],
        [answered(), answered(2)],
        [answered(outcome="provider_cut")],
        [answered(output_tokens=1)],
        [answered(cost=None)],
        [answered(cost=Decimal("0.01"))],
        [answered(usage_source="estimated")],
    ],
    ids=["no row", "two rows", "another outcome", "other tokens", "no cost", "another cost", "estimated"],
)
def test_a_wrong_bill_is_noticed(calls):
    assert promises.bill(run_of(GOOD.events, GOOD.text, *calls), CUT) != ""


def test_a_refusal_that_is_billed_is_noticed():
    refused = answered(outcome="provider_overloaded", http_status=500)
    assert promises.bill(run_of([FAILED], "", refused), FAULTS["500"]) != ""
