"""When the reaper looks, and what silence it believes."""

import asyncio

import pytest

from chat.engine.reaper import Reaper
from chat.exceptions import StorageUnavailable

LEASE = 5.0


class World:
    """A clock to be set, and a database that may be away. `passes` has what each pass was told."""

    def __init__(self):
        self.now = 100.0
        self.away = False
        self.left: list[int] = []
        """How many each of the next passes finds."""
        self.passes: list[bool] = []
        self.passed = asyncio.Event()

    async def take_over(self, *, by_silence: bool) -> int:
        self.passes.append(by_silence)
        self.passed.set()
        if self.away:
            raise StorageUnavailable
        return self.left.pop(0) if self.left else 0


@pytest.fixture
def world():
    return World()


@pytest.fixture
async def reaper(world):
    made = Reaper(
        world.take_over, lease_seconds=LEASE, clock=lambda: world.now, uniform=lambda low, high: 1000.0
    )
    made.start()
    await world.passed.wait()
    yield made
    await made.stop()


async def look(world, reaper) -> bool:
    world.passed.clear()
    reaper.hurry()
    async with asyncio.timeout(5):
        await world.passed.wait()
    await asyncio.sleep(0)
    return world.passes[-1]


async def test_a_process_that_has_just_started_believes_no_silence(world, reaper):
    assert world.passes == [False]
    world.now += LEASE
    assert not await look(world, reaper)


async def test_after_a_lease_it_does(world, reaper):
    world.now += LEASE + 0.1
    assert await look(world, reaper)


async def test_after_the_database_was_away_a_whole_lease_must_pass(world, reaper):
    world.now += 60
    world.away = True
    await look(world, reaper)
    world.now += 60
    assert not await look(world, reaper)
    world.away = False
    world.now += 60
    assert not await look(world, reaper)
    world.now += LEASE
    assert not await look(world, reaper)
    world.now += 0.1
    assert await look(world, reaper)


async def test_it_outlives_what_goes_wrong(world, reaper):
    async def fail(*, by_silence: bool) -> int:
        world.passed.set()
        raise ZeroDivisionError

    reaper._take_over = fail
    await look(world, reaper)
    reaper._take_over = world.take_over
    await look(world, reaper)


async def test_a_hint_that_comes_during_a_pass_is_not_lost(world, reaper):
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*, by_silence: bool) -> int:
        inside.set()
        await go_on.wait()
        return 0

    reaper._take_over = slow
    reaper.hurry()
    await inside.wait()
    reaper._take_over = world.take_over
    world.passed.clear()
    reaper.hurry()
    go_on.set()
    async with asyncio.timeout(5):
        await world.passed.wait()


async def test_the_end_waits_for_the_pass_under_way_and_begins_no_other(world, reaper):
    inside, go_on, done = asyncio.Event(), asyncio.Event(), []

    async def slow(*, by_silence: bool) -> int:
        inside.set()
        await go_on.wait()
        done.append(True)
        return 0

    reaper._take_over = slow
    reaper.hurry()
    await inside.wait()
    ending = asyncio.create_task(reaper.stop())
    await asyncio.sleep(0.05)
    assert not ending.done()
    go_on.set()
    await ending
    assert done == [True]


async def test_after_a_pass_that_found_many_the_next_one_follows_at_once(world, reaper):
    world.left = [50, 50, 1]
    reaper.hurry()
    async with asyncio.timeout(5):
        while world.left:
            world.passed.clear()
            await world.passed.wait()
    await asyncio.sleep(0.05)
    assert len(world.passes) == 1 + 3
