"""Callbacks of webhook tools at real servers, in short. The long version, with its figures: make chaos"""

from collections.abc import Iterator

import pytest

from tests import many_machines
from tests.chaos.callbacks.bed import Bed, bed
from tests.chaos.callbacks.parked import HELD_HEADS, hold, wake, wake_after_kill
from tests.chaos.callbacks.rate import HEADS, Rate
from tests.chaos.report import Section
from tests.services import MISSING, redis_binary

pytestmark = [pytest.mark.server, pytest.mark.both_columns, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def site() -> Iterator[Bed]:
    """Shared: all of it is still standing after each."""
    many = many_machines.server is not None
    if many and redis_binary() is None:
        pytest.skip(MISSING)
    with bed(many=many, server=many_machines.server) as found:
        yield found


async def test_nothing_is_held_for_runs_that_wait_for_a_callback(site: Bed):
    wrong = await hold(site, 20, Section("held", HELD_HEADS), "", settle_seconds=1)
    woken = await wake(site)
    assert (wrong, woken.wrong, len(woken.answered)) == ([], [], 20)


async def test_a_callback_wakes_a_run_whose_process_was_killed(site: Bed):
    woken = await wake_after_kill(site, 5)
    site.start_all()
    assert (woken.wrong, len(woken.answered)) == ([], 5)


async def test_a_hundred_copies_of_a_result_have_one_effect(site: Bed):
    rate = Rate(site, Section("copies", HEADS), "")
    await rate.copies(100)
    assert rate.wrong == []


async def test_callbacks_in_a_crowd_are_each_taken_once(site: Bed):
    rate = Rate(site, Section("rate", HEADS), "")
    calls = await site.park(5)
    await rate.progress(calls, 50)
    await rate.results_elsewhere(20)
    await rate.results(calls)
    assert rate.wrong == []
