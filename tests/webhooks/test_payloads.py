"""What is told, and how much of it at most."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from chat.webhooks.payloads import (
    MOST_BYTES,
    encoded,
    function_call_completed,
    invocation_waiting,
    moment,
    run_finished,
)

NOW = datetime(2026, 11, 30, 16, tzinfo=UTC)


def completed(result: object) -> dict:
    return function_call_completed(
        invocation="i", run="r", function="f", status="succeeded", result=result, at=NOW
    )


def test_a_cost_keeps_every_digit():
    columns = {"status": "completed", "cost": Decimal("0.000000120"), "currency": "USD"}
    told = run_finished(run="r", conversation="c", message="m", model="p/m", columns=columns, finished_at=NOW)

    assert told["cost"] == {"amount": "0.000000120", "currency": "USD"}


def test_a_result_is_told_as_it_is():
    told = completed({"temperature": 21.5, "city": "Zürich"})

    assert (told["result"], told["result_truncated"]) == ({"temperature": 21.5, "city": "Zürich"}, False)


@pytest.mark.parametrize(
    "result", ["x" * 1_000_000, "\U0001f600" * 100_000, ["x"] * 100_000, {"a": "é" * 90_000}]
)
def test_a_long_one_is_cut_and_says_so(result: object):
    told = completed(result)

    assert told["result_truncated"]
    assert isinstance(told["result"], str)
    assert len(encoded(told)) <= 2 * MOST_BYTES + 1000


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600", "\n"])
def test_of_a_long_text_as_much_is_told_as_there_is_room_for(letter: str):
    shown = completed(letter * 300_000)["result"]

    assert MOST_BYTES * 0.99 < len(encoded(shown)) <= MOST_BYTES


def test_a_text_whose_end_takes_more_room_than_its_beginning_fits_as_well():
    shown = completed("x" * 60_000 + "\U0001f600" * 60_000)["result"]

    assert shown.startswith("x" * 30_000)
    assert len(encoded(shown)) <= MOST_BYTES


def test_long_arguments_are_cut_as_well():
    told = invocation_waiting(
        invocation="i", run="r", function="f", arguments={"text": "x" * 100_000}, waits_for="approval", at=NOW
    )

    assert told["arguments_truncated"]
    assert len(encoded(told)) <= 2 * MOST_BYTES + 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", "\0", NOW, Decimal(1), "NaN"])
def test_whatever_it_holds_it_becomes_json(value: object):
    text = encoded({"value": value})

    assert text.isascii()
    assert "value" in json.loads(text, parse_constant=pytest.fail)


def test_a_moment_is_said_in_utc():
    assert moment(datetime.fromisoformat("2026-11-30T18:00:00.5+02:00")) == "2026-11-30T16:00:00.500Z"
