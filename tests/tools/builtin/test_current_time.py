"""The time, by a clock that stands."""

import json
from datetime import UTC, datetime

import pytest

from tests.tools.calling import call_here
from tools.context import ToolContext

CONTEXT = ToolContext(now=lambda: datetime(2026, 1, 1, 12, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("zone", "time", "name"),
    [
        ("UTC", "2026-01-01T12:00:00+00:00", "UTC"),
        ("Europe/Berlin", "2026-01-01T13:00:00+01:00", "Europe/Berlin"),
        ("america/new_york", "2026-01-01T07:00:00-05:00", "America/New_York"),
        ("New York", "2026-01-01T07:00:00-05:00", "America/New_York"),
        ("Asia/Kolkata", "2026-01-01T17:30:00+05:30", "Asia/Kolkata"),
    ],
)
def test_it_is_told_in_a_time_zone(zone: str, time: str, name: str):
    told = json.loads(call_here("current_time", CONTEXT, time_zone=zone).text)

    assert (told["time"], told["time_zone"], told["weekday"]) == (time, name, "Thursday")


def test_the_zone_may_be_left_out():
    assert json.loads(call_here("current_time", CONTEXT).text)["time_zone"] == "UTC"


@pytest.mark.parametrize(
    ("zone", "hint"), [("Europe/Berlim", "Europe/Berlin"), ("qqq", "Names look"), ("../x", "Names look")]
)
def test_an_unknown_zone_is_hinted_at(zone: str, hint: str):
    outcome = call_here("current_time", CONTEXT, time_zone=zone)

    assert (outcome.kind, hint in outcome.text) == ("retry", True)
