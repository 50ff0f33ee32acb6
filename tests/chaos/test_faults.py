"""Whatever goes wrong upstream, a run ends in the whole answer or in one typed error, before its deadline.

The long version: python -m tests.chaos.faults
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chat import wiring
from chat.demo.faults import FAULTS
from chat.models import User
from tests.chaos.runs import FaultyProviders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def providers(transactional_db: None) -> AsyncIterator[FaultyProviders]:
    runtime = await wiring.startup()
    user = await runtime.database(User.objects.create, username="alice")
    yield FaultyProviders(runtime, user)
    await wiring.shutdown(grace_seconds=0)


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_ends_in_the_answer_or_in_one_typed_error(providers, name):
    model = await providers.model_of()
    ended = await asyncio.gather(*(providers.run(model, name) for _ in range(2)))
    assert [one.wrong(FAULTS[name]) for one in ended] == ["", ""]


async def test_a_fault_that_passes_is_not_seen_in_the_answer(providers):
    model = await providers.model_of()
    ended = await providers.run(model, "cutx2")
    assert (ended.status, ended.wrong(FAULTS["cut"])) == ("completed", "")


async def test_a_provider_that_is_down_is_hardly_asked_more_often_than_one_that_is_not(providers):
    """The long version asks a thousand times: ten retries are always allowed, and they weigh less then."""
    model = await providers.model_of(breaker_failures=1000, retries_always=0)
    before = providers.calls_made
    for _ in range(4):
        await asyncio.gather(*(providers.run(model, "500") for _ in range(10)))
    assert 40 <= providers.calls_made - before <= 44


async def test_a_dead_provider_is_asked_five_times_and_then_left_alone(providers):
    model = await providers.model_of()
    before = providers.calls_made
    for _ in range(10):
        await providers.run(model, "500")
    assert providers.calls_made - before == 5
