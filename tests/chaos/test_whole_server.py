"""`make chaos` over whole servers, in short: databases that go away, slow readers, floods, sign-ins taken back, costs.

The bounds of time are wide here: a busy machine is no defect. `make chaos` keeps to what is promised.
"""

import asyncio

import pytest

from tests.chaos import away, costs, flood, revocation, slow
from tests.chaos.ground import SERVERS
from tests.postgres import PostgresMissing
from tests.services import MISSING, redis_binary

pytestmark = pytest.mark.server

WIDE_SECONDS = 20.0


@pytest.mark.parametrize("database", away.DATABASES)
def test_a_database_that_goes_away_loses_no_answer_and_spoils_none(database):
    try:
        section = asyncio.run(
            away.measure(12, 8, most_away=2.5, databases=[database], within_seconds=WIDE_SECONDS)
        )
    except PostgresMissing as missing:
        pytest.skip(str(missing))
    assert not section.failed, section.text


@pytest.mark.parametrize("server", SERVERS)
def test_readers_that_are_slow_cost_little_and_lose_nothing(server):
    section = asyncio.run(slow.measure(10, 0, 2.0, [server], late_seconds=WIDE_SECONDS))
    assert not section.failed, section.text


@pytest.mark.parametrize("server", SERVERS)
def test_clients_that_flood_are_closed_and_kept_out_of_memory(server):
    section = asyncio.run(flood.measure(4, 4, [server], gap_ms=WIDE_SECONDS * 1000))
    assert not section.failed, section.text


def test_a_sign_in_that_is_taken_back_closes_its_sockets_and_no_others():
    section = asyncio.run(revocation.measure(1, ["daphne"], within_seconds=WIDE_SECONDS))
    assert not section.failed, section.text


def test_a_viewer_elsewhere_and_knowing_who_lives_cost_little():
    if redis_binary() is None:
        pytest.skip(MISSING)
    section = asyncio.run(costs.measure([1], 1, 300, 3, most_share=0.1, most_added_ms=WIDE_SECONDS * 1000))
    assert not section.failed, section.text
