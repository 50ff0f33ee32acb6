"""Whatever goes wrong upstream, a run ends in the whole answer or in one typed error, in time, with its bill.

The long version: make chaos
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat import wiring
from chat.demo.faults import FAULTS
from tests.chaos import promises
from tests.chaos.bed import Bed, made, stats_at
from tests.chaos.runs import Runs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_columns]

SHORTER = {
    "first_token_seconds": 0.6,
    "first_token_reasoning_seconds": 0.6,
    "idle_seconds": 0.6,
    "total_seconds": 3.5,
    "longest_retry_after_seconds": 0.5,
}


class WithinThisProcess:
    """The demo provider that every server has."""

    @property
    def base_url(self) -> str:
        return wiring.runtime()._demo.base_url

    async def stats(self) -> dict[str, Any]:
        return await stats_at(self.base_url)


@pytest.fixture
async def bed(transactional_db: None) -> AsyncIterator[Bed]:
    async with made(WithinThisProcess()) as bed:
        yield bed


@pytest.fixture
def runs(bed: Bed) -> Runs:
    return Runs(bed)


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_ends_in_the_answer_or_in_one_typed_error(bed, runs, name):
    fault = FAULTS[name]
    models = await runs.models(2, **SHORTER)
    ended = await runs.many(models, f"fail:{name}", at_once=2)
    for one in ended:
        assert promises.ending(one, fault) == ""
        assert promises.text(one, fault) == ""
        assert promises.bill(one, fault) == ""
    assert await bed.calls_seen() == sum(len(one.calls) for one in ended)


@pytest.mark.parametrize("name", ["cut", "hang", "500", "garbage"])
async def test_a_fault_that_passes_is_not_seen_in_the_answer(bed, runs, name):
    one = await runs.run(await runs.model(**SHORTER), f"fail:{name}x2")
    assert one.status == "completed"
    assert promises.text(one, None) == ""
    assert promises.bill(one, FAULTS[name]) == ""
    assert [call.outcome for call in one.calls] == [FAULTS[name].outcome] * 2 + ["completed"]


async def test_a_provider_that_is_down_is_hardly_asked_more_often_than_one_that_is_not(bed, runs):
    """The long version asks a thousand times: ten retries are always allowed, and they weigh less then."""
    model = await runs.model(breaker_failures=1000, retries_always=0)
    await runs.many([model] * 40, "fail:500", at_once=10)
    assert 40 <= await bed.calls_seen() <= 44


async def test_a_dead_provider_is_asked_five_times_and_then_left_alone(bed, runs):
    model = await runs.model()
    await runs.many([model] * 10, "fail:500", at_once=1)
    assert await bed.calls_seen() == 5


async def test_after_its_time_one_probe_is_let_through_and_three_successes_close_it(bed, runs):
    model = await runs.model(attempts=1, breaker_open_seconds=0.3)
    await runs.many([model] * 6, "fail:500", at_once=1)
    assert await bed.calls_seen() == 5
    ended = []
    while await bed.calls_seen() < 5 + 3:
        ended.append(await runs.run(model, "hello"))
    assert [one.status for one in ended][-3:] == ["completed"] * 3
    await runs.many([model] * 10, "hello", at_once=10)
    assert await bed.calls_seen() == 5 + 3 + 10
