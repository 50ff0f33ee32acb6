"""What several server processes survive, in short. The long version, with its figures: make chaos"""

import random
import signal
from collections.abc import Iterator

import pytest

from tests import many_machines
from tests.chaos.fleet.bed import Fleet, Size, fleet
from tests.chaos.fleet.cursors import PLENTY, every_cursor
from tests.chaos.fleet.cuts import cut_often
from tests.chaos.fleet.kills import Night
from tests.chaos.fleet.losses import lose_often
from tests.chaos.fleet.restarts import restart_often, start_again

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

QUICK = {"LEASE_SECONDS": "2", "HEARTBEAT_SECONDS": "0.4", "DRAIN_SECONDS": "1"}
"""A fraction of the defaults; what happens is the same."""


@pytest.fixture(scope="module")
def many() -> Iterator[Fleet]:
    """Shared by the tests of this file: all of it is still standing after each."""
    with fleet(Size(people=2, settings=QUICK | PLENTY), many_machines.server) as bed:
        yield bed


@pytest.fixture(scope="module")
def alone() -> Iterator[Fleet]:
    with fleet(Size(webs=1, people=1, settings=QUICK)) as bed:
        yield bed


@pytest.mark.postgresql
async def test_fifty_cuts_lose_nothing(many):
    cut = await cut_often(many, 50, random.Random(3), users=2)  # noqa: S311
    assert (cut.wrong, cut.total >= 50) == ([], True)


@pytest.mark.postgresql
async def test_every_cursor_is_answered_with_what_comes_after_it(many):
    parts = await every_cursor(many, 40, 20)
    assert [part.wrong for part in parts.values()] == [[], [], []]
    assert all(part.times > 20 for part in parts.values())


@pytest.mark.postgresql
async def test_the_answers_of_a_killed_process_are_finished_by_the_other(many):
    taken = await Night(many, 4, deltas=100).kill(0, 1.0, back_after=0)
    assert (taken.wrong, len(taken.all)) == ([], 8)


@pytest.mark.postgresql
async def test_a_process_that_wakes_up_writes_nothing_and_shows_the_truth(many):
    taken = await Night(many, 4, deltas=360).sleep(1, 1.0, 8.0)
    assert (taken.wrong, len(taken.all)) == ([], 8)


@pytest.mark.postgresql
async def test_a_redis_that_comes_back_empty_has_taken_nothing_along(many):
    found, wrong = await lose_often(many, 1, 2.0, lambda lost: None, deltas=200, people=2, lanes=2)
    assert wrong == []
    assert [lost.closed for lost in found] == [0]


@pytest.mark.postgresql
async def test_clients_of_a_process_that_ends_come_back_and_miss_nothing(many):
    done, wrong = await restart_often(many, 2, lambda one: None, deltas=80, between=1.0)
    assert wrong == []
    assert [one.code for one in done] == [0, 0]
    assert all(loss.back_at is not None for one in done for loss in one.losses)


@pytest.mark.sqlite
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_the_only_process_goes_on_with_every_answer_when_it_is_started_again(alone, how):
    _, wrong, failed = await start_again(alone, how, 3, 100, 25)
    assert wrong == []
    assert not failed
