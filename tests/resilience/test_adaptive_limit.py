import asyncio
from contextlib import AsyncExitStack

import pytest

from chat.resilience.adaptive_limit import AdaptiveLimit, AdaptiveRule, Slot
from chat.resilience.waiting_line import WaitedTooLong
from tests.resilience.conftest import FakeTime, settle, start


@pytest.fixture
def limit(time: FakeTime) -> AdaptiveLimit:
    return AdaptiveLimit(AdaptiveRule(most=100), clock=time, sleep=time.sleep)


async def fly(stack: AsyncExitStack, limit: AdaptiveLimit, count: int) -> list[Slot]:
    return [await stack.enter_async_context(limit.slot()) for _ in range(count)]


async def round_trip(
    limit: AdaptiveLimit, time: FakeTime, count: int, first_token_seconds: float | None = 1.0
) -> None:
    """So many calls at once, all of them answered."""
    async with AsyncExitStack() as stack:
        slots = await fly(stack, limit, count)
        time.now += 5
        for slot in slots:
            slot.succeeded(first_token_seconds)


async def overload(limit: AdaptiveLimit, time: FakeTime, count: int) -> None:
    async with AsyncExitStack() as stack:
        slots = await fly(stack, limit, count)
        time.now += 1
        for slot in slots:
            slot.overloaded()
    time.now += 1


async def test_it_begins_with_the_providers_limit(limit: AdaptiveLimit):
    async with AsyncExitStack() as stack:
        await fly(stack, limit, 100)
        view = limit.view()
    assert (view.limit, view.in_flight, view.most) == (100, 100, 100)


async def test_a_429_takes_it_down_to_a_share_of_what_was_in_flight(limit: AdaptiveLimit, time: FakeTime):
    await overload(limit, time, 1)
    assert limit.view().limit == 1
    limit = AdaptiveLimit(AdaptiveRule(most=100), clock=time, sleep=time.sleep)
    async with AsyncExitStack() as stack:
        slots = await fly(stack, limit, 40)
        slots[0].overloaded()
    assert limit.view().limit == 28


async def test_the_same_trouble_told_by_many_calls_counts_once(limit: AdaptiveLimit, time: FakeTime):
    await overload(limit, time, 40)
    assert limit.view().limit == 28


async def test_trouble_that_goes_on_takes_it_down_to_one_and_no_further(limit: AdaptiveLimit, time: FakeTime):
    for _ in range(30):
        await overload(limit, time, limit.view().limit)
    assert limit.view().limit == 1


async def test_it_grows_back_to_the_maximum_and_no_further(limit: AdaptiveLimit, time: FakeTime):
    await overload(limit, time, 40)
    rounds = 0
    while limit.view().limit < 100:
        await round_trip(limit, time, limit.view().limit)
        rounds += 1
        assert rounds < 50
    await round_trip(limit, time, 100)
    assert limit.view().limit == 100


async def test_it_does_not_grow_by_calls_it_does_not_hold_back(time: FakeTime):
    limit = AdaptiveLimit(AdaptiveRule(most=100, double_seconds=1e9), clock=time, sleep=time.sleep)
    await overload(limit, time, 40)
    for _ in range(20):
        await round_trip(limit, time, 5)
    assert limit.view().limit == 28


async def test_one_overload_of_a_quiet_provider_is_forgotten_with_time(limit: AdaptiveLimit, time: FakeTime):
    await overload(limit, time, 1)
    assert limit.view().limit == 1
    time.now += 60
    assert limit.view().limit == 4
    time.now += 180
    assert limit.view().limit == 100


async def test_it_falls_when_first_tokens_come_later_and_later(limit: AdaptiveLimit, time: FakeTime):
    for _ in range(3):
        await round_trip(limit, time, 20, first_token_seconds=0.4)
    for _ in range(6):
        await round_trip(limit, time, min(20, limit.view().limit), first_token_seconds=2.0)
    assert limit.view().limit < 20


async def test_one_slow_answer_is_no_trend(limit: AdaptiveLimit, time: FakeTime):
    for _ in range(3):
        await round_trip(limit, time, 20, first_token_seconds=0.4)
    await round_trip(limit, time, 1, first_token_seconds=60.0)
    assert limit.view().limit == 100


async def test_the_times_of_two_models_are_not_compared(limit: AdaptiveLimit, time: FakeTime):
    for _ in range(50):
        async with limit.slot() as quick, limit.slot() as slow:
            time.now += 1
            quick.succeeded(0.2, "quick")
            slow.succeeded(20.0, "thinking")
    assert limit.view().limit == 100


async def test_a_lasting_slowness_becomes_usual(limit: AdaptiveLimit, time: FakeTime):
    await round_trip(limit, time, 20, first_token_seconds=0.4)
    for _ in range(400):
        await round_trip(limit, time, min(limit.view().limit, 20), first_token_seconds=1.5)
    assert limit.view().limit >= 20


async def test_what_nothing_is_said_of_teaches_nothing(limit: AdaptiveLimit):
    with pytest.raises(ZeroDivisionError):
        async with limit.slot():
            raise ZeroDivisionError
    view = limit.view()
    assert (view.limit, view.in_flight) == (100, 0)


async def test_beyond_the_limit_calls_wait_in_their_order(time: FakeTime):
    limit = AdaptiveLimit(AdaptiveRule(most=1), clock=time, sleep=time.sleep)
    order: list[str] = []
    places: list[int] = []

    async def call(name: str) -> None:
        async with limit.slot(on_wait=places.append if name == "c" else None):
            order.append(name)

    async with limit.slot():
        calls = [start(call(name)) for name in "abc"]
        await settle()
        assert limit.view().waiting == 3
    await asyncio.gather(*calls)
    assert order == ["a", "b", "c"]
    assert places == [3, 2, 1]


async def test_a_wait_has_an_end(time: FakeTime):
    limit = AdaptiveLimit(AdaptiveRule(most=1), clock=time, sleep=time.sleep)

    async def call() -> None:
        async with limit.slot(wait_seconds=3):
            raise AssertionError

    async with limit.slot():
        waiting = start(call())
        await time.pass_by(3)
        with pytest.raises(WaitedTooLong):
            await waiting
    assert limit.view().in_flight == 0


async def test_a_higher_maximum_lets_those_in_who_wait(time: FakeTime):
    limit = AdaptiveLimit(AdaptiveRule(most=1), clock=time, sleep=time.sleep)
    async with AsyncExitStack() as stack:
        await fly(stack, limit, 1)
        waiting = start(fly(stack, limit, 2))
        await settle()
        limit.rule = AdaptiveRule(most=3)
        await asyncio.wait_for(waiting, 5)


async def test_a_lower_maximum_holds_at_once(limit: AdaptiveLimit):
    limit.rule = AdaptiveRule(most=7)
    assert limit.view().limit == 7
