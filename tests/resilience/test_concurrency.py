import asyncio
from contextlib import AsyncExitStack

import pytest

from chat.resilience.backends.base import Backend
from chat.resilience.backends.memory import MemoryBackend
from chat.resilience.concurrency import LEASE_SECONDS, RENEW_SECONDS, LeaseKeeper, Places
from chat.resilience.waiting_line import WaitedTooLong
from tests.resilience.conftest import FakeTime, SharedMemory, settle, start


def places_over(backend: Backend, time: FakeTime) -> tuple[Places, LeaseKeeper]:
    keeper = LeaseKeeper(backend, name="me", sleep=time.sleep)
    return Places(backend, keeper, clock=time, sleep=time.sleep), keeper


@pytest.fixture
def places(time: FakeTime) -> Places:
    return places_over(MemoryBackend(time), time)[0]


async def test_a_place_is_held_for_the_block_and_given_back(places: Places):
    async with places.hold("user:1", 20) as waited_seconds:
        assert waited_seconds == 0.0
        assert await places.in_use("user:1") == 1
    assert await places.in_use("user:1") == 0


async def test_the_one_too_many_waits_for_the_next_place(places: Places):
    seen: list[int] = []

    async def call() -> None:
        async with places.hold("user:1", 1, on_wait=seen.append):
            pass

    async with places.hold("user:1", 1):
        waiting = start(call())
        await settle()
        assert places.waiting("user:1") == 1
        assert seen == [1]
    await asyncio.wait_for(waiting, 5)


async def test_users_do_not_wait_for_each_other(places: Places):
    async with places.hold("user:1", 1), places.hold("user:2", 1):
        pass


async def test_a_block_that_fails_gives_its_place_back(places: Places):
    with pytest.raises(ZeroDivisionError):
        async with places.hold("user:1", 1):
            raise ZeroDivisionError
    assert await places.in_use("user:1") == 0


async def test_a_wait_that_ran_out_holds_nothing(places: Places, time: FakeTime):
    async def call() -> None:
        async with places.hold("user:1", 1, wait_seconds=5):
            raise AssertionError

    async with places.hold("user:1", 1):
        waiting = start(call())
        await time.pass_by(5)
        with pytest.raises(WaitedTooLong):
            await waiting
        assert await places.in_use("user:1") == 1


async def test_never_more_than_allowed_run_at_once_over_all_processes(backend: Backend):
    """Two processes with one backend, as far as the backend can tell."""
    running = most = 0

    async def call(places: Places) -> None:
        nonlocal running, most
        async with places.hold("provider:1", 4):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1

    real = asyncio.get_running_loop().time
    keepers = [LeaseKeeper(backend, name=name, sleep=asyncio.sleep) for name in ("one", "two")]
    both = [
        Places(backend, keeper, clock=real, sleep=lambda _seconds: asyncio.sleep(0.002)) for keeper in keepers
    ]
    if not backend.shared:
        both = both[:1]
    await asyncio.gather(*(call(places) for places in both for _ in range(20)))
    for keeper in keepers:
        await keeper.aclose()
    assert 1 < most <= 4
    assert await backend.in_use("provider:1") == 0


async def test_what_is_held_is_renewed_in_one_trip(time: FakeTime):
    backend = SharedMemory(time)
    places, _keeper = places_over(backend, time)
    async with places.hold("user:1", 20), places.hold("provider:1", 500):
        await time.pass_by(2 * RENEW_SECONDS)
    assert backend.renewals == [[("provider:1", "me-2"), ("user:1", "me-1")]] * 2


async def test_nothing_runs_while_nothing_is_held(time: FakeTime):
    places, _keeper = places_over(SharedMemory(time), time)
    async with places.hold("user:1", 20):
        await settle()
        assert time.sleeping == 1
    await time.pass_by(RENEW_SECONDS)
    assert time.sleeping == 0


async def test_in_memory_nothing_is_ever_renewed(places: Places, time: FakeTime):
    async with places.hold("user:1", 20):
        await settle()
        assert time.sleeping == 0


async def test_a_backend_that_is_away_for_a_moment_does_not_end_the_renewals(time: FakeTime):
    backend = SharedMemory(time)
    places, _keeper = places_over(backend, time)
    async with places.hold("user:1", 20):
        backend.away = True
        await time.pass_by(RENEW_SECONDS)
        backend.away = False
        await time.pass_by(RENEW_SECONDS)
    assert len(backend.renewals) == 1


async def test_a_place_given_back_during_its_renewal_stays_free(time: FakeTime):
    class Slow(SharedMemory):
        async def renew(self, held, *, lease_seconds):
            await stack.aclose()
            await super().renew(held, lease_seconds=lease_seconds)

    backend = Slow(time)
    places, _keeper = places_over(backend, time)
    stack = AsyncExitStack()
    await stack.enter_async_context(places.hold("user:1", 20))
    await time.pass_by(RENEW_SECONDS)
    assert backend.renewals
    assert await backend.in_use("user:1") == 0


async def test_a_closed_keeper_renews_no_more(time: FakeTime):
    places, keeper = places_over(SharedMemory(time), time)
    async with places.hold("user:1", 20):
        await settle()
        await keeper.aclose()
        assert time.sleeping == 0


def test_the_places_of_a_killed_process_are_back_within_ten_seconds():
    assert LEASE_SECONDS < 10
    assert 2 * RENEW_SECONDS < LEASE_SECONDS
