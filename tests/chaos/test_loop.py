"""Many answers that start at once never keep the event loop to themselves. The figures: python bench/lag.py"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator

import pytest

from tests.chaos import promises
from tests.chaos.bed import Bed, made
from tests.chaos.runs import Runs
from tests.chaos.test_faults import WithinThisProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_columns]

AT_ONCE = 100
MOST_SECONDS = 0.3
"""Some 20 ms in quiet. Counted in CPU time of the loop's own thread, so that a busy machine is not mistaken for us; who
blocks the loop without working is not seen here, but with bench/lag.py."""


@pytest.fixture
async def bed(transactional_db: None) -> AsyncIterator[Bed]:
    gc.collect()
    gc.freeze()  # as a server does: the tests' own objects are not ours to count
    async with made(WithinThisProcess()) as bed:
        yield bed
    gc.unfreeze()


async def test_a_hundred_answers_that_start_at_once_let_others_have_their_turn(bed):
    runs = Runs(bed)
    [model] = await runs.models(1, first_token_seconds=30, idle_seconds=30, total_seconds=60)
    turns: list[float] = []
    ticking = asyncio.create_task(_tick(turns))
    ended = await runs.many([model] * AT_ONCE, "hello", at_once=AT_ONCE)
    ticking.cancel()
    assert [promises.text(one, None) for one in ended] == [""] * AT_ONCE
    assert {one.status for one in ended} == {"completed"}
    assert max(turns) < MOST_SECONDS


async def _tick(turns: list[float]) -> None:
    while True:
        before = time.thread_time()
        await asyncio.sleep(0.001)
        turns.append(time.thread_time() - before)
