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
