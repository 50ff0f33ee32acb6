"""Redis may go away at any moment; calls go on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat.resilience.backends.base import BackendUnavailable, BreakerRule, Bucket
from chat.resilience.backends.fallback import FallbackBackend
from chat.resilience.backends.memory import MemoryBackend
from chat.resilience.concurrency import LEASE_SECONDS, RENEW_SECONDS, LeaseKeeper, Places
from tests.resilience.conftest import FakeTime, settle, start

RULE = BreakerRule()


class Far(MemoryBackend):
    """Another machine, which can be away."""

    _clock: FakeTime
    shared = True
    away = False
    asked = 0
    hangs_seconds = 0.0

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name.startswith("_") or not callable(value):
            return value

        async def over_the_line(*arguments: Any, **more: Any) -> Any:
            self.asked += 1
            if self.hangs_seconds:
                await self._clock.sleep(self.hangs_seconds)
            if self.away:
                raise BackendUnavailable("refused")
            return await value(*arguments, **more)

        return over_the_line


@pytest.fixture
def far(time: FakeTime) -> Far:
    return Far(time)


@pytest.fixture
async def both(far: Far, time: FakeTime) -> AsyncIterator[FallbackBackend]:
    made = FallbackBackend(far, MemoryBackend(time), clock=time, sleep=time.sleep)
    yield made
    await made.aclose()


async def acquire(both: FallbackBackend, holder: str) -> bool:
    return await both.acquire("user:1", 1, holder=holder, lease_seconds=LEASE_SECONDS)


async def test_while_it_is_there_it_alone_decides(both: FallbackBackend, far: Far):
    assert await acquire(both, "a")
    assert not await acquire(both, "b")
    assert await far.in_use("user:1") == 1
    assert not both.alone


async def test_while_it_is_away_this_process_counts_for_itself(both: FallbackBackend, far: Far):
    far.away = True
    assert await acquire(both, "a")
    assert not await acquire(both, "b")
    assert both.alone


async def test_it_is_asked_once_a_second_whether_it_is_back(both: FallbackBackend, far: Far, time: FakeTime):
    far.away = True
    for _ in range(10):
        await both.take([Bucket("p", 100, 200)])
    assert far.asked == 1
    time.now += 1
    for _ in range(10):
        await both.take([Bucket("p", 100, 200)])
    assert far.asked == 2


async def test_only_one_call_waits_to_find_out(both: FallbackBackend, far: Far, time: FakeTime):
    far.away = True
    await both.in_use("user:1")
    far.hangs_seconds = 0.5
    time.now += 1
    finding_out = start(both.in_use("user:1"))
    await settle()
    await asyncio.wait_for(both.in_use("user:1"), 5)
    assert not finding_out.done()
    await time.pass_by(0.5)
    await finding_out


async def test_once_it_is_back_it_decides_again(both: FallbackBackend, far: Far, time: FakeTime):
    far.away = True
    await both.in_use("user:1")
    far.away = False
    time.now += 1
    await acquire(both, "a")
    assert not both.alone
    assert await far.in_use("user:1") == 1


async def test_where_no_call_comes_it_is_asked_all_the_same(both: FallbackBackend, far: Far, time: FakeTime):
    far.away = True
    await both.in_use("user:1")
    await time.pass_by(3)
    assert far.asked == 4
    far.away = False
    await time.pass_by(1)
    assert not both.alone
    await time.pass_by(10)
    assert (far.asked, time.sleeping) == (5, 0)


async def test_a_burst_after_its_return_takes_no_more_than_all_may(far: Far, time: FakeTime):
    processes = [FallbackBackend(far, MemoryBackend(time), clock=time, sleep=time.sleep) for _ in "12"]
    far.away = True
    assert await processes[0].acquire("provider:1", 2, holder="before", lease_seconds=LEASE_SECONDS)
    assert await processes[1].in_use("provider:1") == 0
    far.away = False
    await time.pass_by(1)
    burst = [
        process.acquire("provider:1", 2, holder=f"{number}-{place}", lease_seconds=LEASE_SECONDS)
        for number, process in enumerate(processes)
        for place in range(4)
    ]
    assert sum(await asyncio.gather(*burst)) == 1


async def test_on_its_return_what_is_held_counts_before_a_new_place_is_given(
    both: FallbackBackend, far: Far, time: FakeTime
):
    far.away = True
    assert await acquire(both, "a")
    far.away, time.now = False, time.now + 1
    assert not await acquire(both, "b")
    assert await far.in_use("user:1") == 1


async def test_what_is_given_back_while_it_is_counted_is_free(
    both: FallbackBackend, far: Far, time: FakeTime
):
    far.away = True
    assert await acquire(both, "a")
    far.away, far.hangs_seconds, time.now = False, 0.3, time.now + 1
    finding_out = start(both.in_use("user:1"))
    await settle()
    await both.release("user:1", "a")
    await time.pass_by(1)
    await finding_out
    assert await MemoryBackend.in_use(far, "user:1") == 0


async def test_nobody_asks_after_the_end(both: FallbackBackend, far: Far, time: FakeTime):
    far.away = True
    await both.in_use("user:1")
    await both.aclose()
    await time.pass_by(5)
    assert far.asked == 1


async def test_places_taken_while_it_was_away_count_after_the_next_renewal(
    both: FallbackBackend, far: Far, time: FakeTime
):
    keeper = LeaseKeeper(both, name="me", sleep=time.sleep)
    places = Places(both, keeper, clock=time, sleep=time.sleep)
    far.away = True
    async with places.hold("user:1", 1):
        far.away = False
        await time.pass_by(RENEW_SECONDS)
        assert await far.in_use("user:1") == 1
    assert await far.in_use("user:1") == 0
    await keeper.aclose()


async def test_a_place_taken_here_and_given_back_there_is_free_here_too(
    both: FallbackBackend, far: Far, time: FakeTime
):
    far.away = True
    await acquire(both, "a")
    far.away, time.now = False, time.now + 1
    await both.release("user:1", "a")
    far.away = True
    assert await acquire(both, "b")


async def test_a_breaker_opens_for_this_process_while_it_is_alone(both: FallbackBackend, far: Far):
    far.away = True
    for _ in range(5):
        await both.breaker_record("p", RULE, "failure", generation=0, holder="a")
    admission = await both.breaker_admit("p", RULE, holder="a", lease_seconds=9)
    assert not admission.granted


async def test_what_staff_force_is_followed_here_and_they_hear_that_others_do_not_know(
    both: FallbackBackend, far: Far
):
    far.away = True
    with pytest.raises(BackendUnavailable):
        await both.breaker_force("p", "forced_open")
    assert (await both.breakers())["p"].state == "forced_open"
    assert not (await both.breaker_admit("p", RULE, holder="a", lease_seconds=9)).granted


async def test_what_the_provider_said_is_known_here_when_it_goes_away(both: FallbackBackend, far: Far):
    await both.hold_off("model:1", 20)
    far.away = True
    assert await both.take([Bucket("model:1")]) == pytest.approx(20)
    assert (await both.levels([Bucket("model:1")]))[0].held_off_seconds == pytest.approx(20)


async def test_staff_see_what_this_process_counts_while_it_is_alone(both: FallbackBackend, far: Far):
    far.away = True
    await acquire(both, "a")
    await both.take([Bucket("p", 10, 5)])
    assert await both.busiest("user:", 5) == [("user:1", 1)]
    assert (await both.levels([Bucket("p", 10, 5)]))[0].tokens == pytest.approx(4)
    assert both.alone
