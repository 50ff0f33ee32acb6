import asyncio
from contextlib import AsyncExitStack

import pytest

from chat.resilience.backends.base import Backend, BreakerRule, Outcome, State
from chat.resilience.circuit_breaker import CircuitBreakers, CircuitOpen
from chat.resilience.concurrency import LeaseKeeper
from tests.resilience.conftest import FakeTime, SharedMemory

RULE = BreakerRule()
THREE = BreakerRule(probes=3)
KEY = "provider:7"


@pytest.fixture
async def breakers(backend: Backend, time: FakeTime) -> CircuitBreakers:
    return CircuitBreakers(backend, LeaseKeeper(backend, name="me", sleep=time.sleep))


async def call(breakers: CircuitBreakers, outcome: Outcome = "success", rule: BreakerRule = RULE) -> None:
    async with breakers.passage(KEY, rule) as passage:
        if outcome == "success":
            passage.succeeded()
        elif outcome == "failure":
            passage.failed()


async def state(breakers: CircuitBreakers) -> State:
    views = await breakers.views()
    return views[KEY].state if KEY in views else "closed"


async def opened(breakers: CircuitBreakers) -> None:
    for _ in range(5):
        await call(breakers, "failure")


async def half_opened(breakers: CircuitBreakers, time: FakeTime) -> None:
    await opened(breakers)
    time.now += 30


async def test_a_new_breaker_is_closed_and_leaves_no_trace(breakers: CircuitBreakers):
    await call(breakers)
    assert await breakers.views() == {}


async def test_five_failures_in_a_row_open_it(breakers: CircuitBreakers, time: FakeTime):
    for _ in range(4):
        await call(breakers, "failure")
    assert await state(breakers) == "closed"
    await call(breakers, "failure")
    assert await state(breakers) == "open"
    time.now += 10
    with pytest.raises(CircuitOpen) as caught:
        await call(breakers)
    assert caught.value.retry_after_seconds == pytest.approx(20)


async def test_a_success_between_failures_starts_the_count_again(breakers: CircuitBreakers):
    for _ in range(4):
        await call(breakers, "failure")
    await call(breakers)
    for _ in range(4):
        await call(breakers, "failure")
    assert await state(breakers) == "closed"


async def test_what_says_nothing_of_the_provider_neither_counts_nor_interrupts(breakers: CircuitBreakers):
    for _ in range(4):
        await call(breakers, "failure")
        await call(breakers, "neutral")
    await call(breakers, "failure")
    assert await state(breakers) == "open"


async def test_a_block_that_fails_on_its_own_says_nothing(breakers: CircuitBreakers):
    for _ in range(6):
        with pytest.raises(ZeroDivisionError):
            async with breakers.passage(KEY, RULE):
                raise ZeroDivisionError
    assert await state(breakers) == "closed"


async def test_breakers_do_not_know_each_other(breakers: CircuitBreakers):
    await opened(breakers)
    async with breakers.passage("provider:8", RULE) as passage:
        passage.succeeded()


async def test_after_half_a_minute_one_probe_at_a_time_goes_through(
    breakers: CircuitBreakers, time: FakeTime
):
    await half_opened(breakers, time)
    async with breakers.passage(KEY, RULE) as probe:
        assert probe.probe
        with pytest.raises(CircuitOpen) as caught:
            await call(breakers)
        assert caught.value.state == "half_open"
    await call(breakers, "neutral")


async def test_a_rule_may_let_three_probes_through_at_a_time(breakers: CircuitBreakers, time: FakeTime):
    await half_opened(breakers, time)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(breakers.passage(KEY, THREE))
        assert (await breakers.views())[KEY].probes == 3
        with pytest.raises(CircuitOpen):
            await call(breakers, rule=THREE)
    assert (await breakers.views())[KEY].probes == 0


@pytest.mark.parametrize("probes", [0, 4])
def test_a_rule_with_other_numbers_of_probes_is_refused(probes: int):
    with pytest.raises(ValueError, match="between 1 and 3"):
        BreakerRule(probes=probes)


async def test_three_successful_probes_close_it(breakers: CircuitBreakers, time: FakeTime):
    await half_opened(breakers, time)
    for expected in ("half_open", "half_open", "closed"):
        await call(breakers)
        assert await state(breakers) == expected


async def test_a_probe_that_goes_well_makes_room_before_its_end(breakers: CircuitBreakers, time: FakeTime):
    await half_opened(breakers, time)
    async with breakers.passage(KEY, RULE) as probe:
        await breakers.settle(KEY, RULE, probe)
        probe.succeeded()
        view = (await breakers.views())[KEY]
        assert (view.state, view.successes, view.probes) == ("half_open", 1, 0)
    assert (await breakers.views())[KEY].successes == 1


async def test_a_probe_that_went_well_and_fails_later_opens_it_again(
    breakers: CircuitBreakers, time: FakeTime
):
    await half_opened(breakers, time)
    async with breakers.passage(KEY, RULE) as probe:
        await breakers.settle(KEY, RULE, probe)
        probe.failed()
    assert (await breakers.views())[KEY].state == "open"


async def test_a_probe_that_has_ended_is_not_counted_once_more(breakers: CircuitBreakers, time: FakeTime):
    await half_opened(breakers, time)
    async with breakers.passage(KEY, RULE) as probe:
        probe.succeeded()
    await breakers.settle(KEY, RULE, probe)
    assert (await breakers.views())[KEY].successes == 1


async def test_a_failed_probe_opens_it_again_for_the_whole_time(breakers: CircuitBreakers, time: FakeTime):
    await half_opened(breakers, time)
    await call(breakers)
    await call(breakers, "failure")
    time.now += 29
    with pytest.raises(CircuitOpen):
        await call(breakers)
    time.now += 1
    await call(breakers)
    assert (await breakers.views())[KEY].successes == 1


async def test_a_stopped_probe_makes_room_for_the_next(breakers: CircuitBreakers, time: FakeTime):
    await half_opened(breakers, time)
    await call(breakers, "neutral")
    await call(breakers)
    assert (await breakers.views())[KEY].successes == 1


async def test_a_late_outcome_of_an_earlier_state_does_not_count(breakers: CircuitBreakers, time: FakeTime):
    async with breakers.passage(KEY, RULE) as late:
        await half_opened(breakers, time)
        await call(breakers)
        late.failed()
    assert await state(breakers) == "half_open"


async def test_probes_still_out_count_in_the_next_half_open_time(breakers: CircuitBreakers, time: FakeTime):
    await half_opened(breakers, time)
    two = BreakerRule(probes=2)
    async with breakers.passage(KEY, two):
        await call(breakers, "failure", two)
        for _ in range(4):  # renewed as a keeper would
            time.now += 7.5
            await breakers._backend.renew([(f"probe:{KEY}", "me-6")], lease_seconds=9)
        async with breakers.passage(KEY, two):
            with pytest.raises(CircuitOpen):
                await call(breakers, rule=two)


async def test_the_probe_of_a_killed_process_is_given_back(
    backend: Backend, breakers: CircuitBreakers, time: FakeTime
):
    await half_opened(breakers, time)
    await backend.breaker_admit(KEY, RULE, holder="killed", lease_seconds=9)
    time.now += 9.1
    if backend.shared:
        await call(breakers)
    else:  # where there is one process, none of its holders outlives it
        with pytest.raises(CircuitOpen):
            await call(breakers)


async def test_a_long_probe_keeps_its_place(time: FakeTime):
    backend = SharedMemory(time)
    keeper = LeaseKeeper(backend, name="me", sleep=time.sleep)
    breakers = CircuitBreakers(backend, keeper)
    await half_opened(breakers, time)
    async with breakers.passage(KEY, RULE):
        await time.pass_by(30)
    assert backend.renewals == [[(f"probe:{KEY}", "me-6")]] * 10
    await keeper.aclose()


async def test_forced_open_lets_nothing_through_however_long(breakers: CircuitBreakers, time: FakeTime):
    await breakers.force(KEY, "forced_open")
    time.now += 86_400
    with pytest.raises(CircuitOpen) as caught:
        await call(breakers)
    assert caught.value.retry_after_seconds is None
    assert await state(breakers) == "forced_open"


async def test_forced_closed_lets_everything_through_whatever_fails(breakers: CircuitBreakers):
    await opened(breakers)
    await breakers.force(KEY, "forced_closed")
    for _ in range(10):
        await call(breakers, "failure")
    assert await state(breakers) == "forced_closed"


async def test_no_longer_forced_it_is_closed_and_counts_from_zero(breakers: CircuitBreakers):
    await breakers.force(KEY, "forced_open")
    await breakers.force(KEY, None)
    for _ in range(4):
        await call(breakers, "failure")
    assert await state(breakers) == "closed"
    await call(breakers, "failure")
    assert await state(breakers) == "open"


async def test_changes_are_told_once_each(backend: Backend, time: FakeTime):
    told: list[tuple[str, State, State]] = []
    keeper = LeaseKeeper(backend, name="me", sleep=time.sleep)
    breakers = CircuitBreakers(backend, keeper, on_change=lambda *change: told.append(change))
    await half_opened(breakers, time)
    for _ in range(3):
        await call(breakers)
    await call(breakers)
    assert told == [
        (KEY, "closed", "open"),
        (KEY, "open", "half_open"),
        (KEY, "half_open", "closed"),
    ]


async def test_staff_see_what_counts(breakers: CircuitBreakers, time: FakeTime):
    await call(breakers, "failure")
    assert (await breakers.views())[KEY].failures == 1
    for _ in range(4):
        await call(breakers, "failure")
    time.now += 10
    view = (await breakers.views())[KEY]
    assert (view.state, view.failures) == ("open", 0)
    assert view.open_seconds == pytest.approx(20)


async def test_a_thousand_calls_to_a_dead_provider_are_five_and_then_one_probe_each_half_minute(
    breakers: CircuitBreakers, time: FakeTime
):
    made = 0
    for _ in range(1000):
        time.now += 0.06
        try:
            async with breakers.passage(KEY, RULE) as passage:
                made += 1
                passage.failed()
        except CircuitOpen:
            await asyncio.sleep(0)
    assert made == 5 + 1
