import asyncio

import pytest

from chat.conf import Deadlines
from chat.resilience.deadline import CallTimer, Clockwork, Interrupted

LIMITS = Deadlines(connect_seconds=5, first_token_seconds=30, idle_seconds=20, total_seconds=600)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def timer(clock):
    return CallTimer(LIMITS, clock)


def test_a_call_that_is_not_answered_runs_out_of_its_first_tokens_time(timer):
    assert timer.overdue(1029.9) is None
    assert timer.overdue(1030.1) == "first_token"


def test_comments_do_not_count_as_a_first_token(timer, clock):
    clock.now += 29
    timer.touch()
    assert timer.overdue(1030.1) == "first_token"


def test_any_byte_is_life_for_the_idle_deadline(timer, clock):
    timer.first_token()
    clock.now += 19
    timer.touch()
    assert timer.overdue(1038.9) is None
    assert timer.overdue(1039.1) == "idle"


def test_a_chatty_call_still_ends_at_its_total(timer, clock):
    timer.first_token()
    clock.now += 599
    timer.touch()
    assert timer.overdue(1599.9) is None
    assert timer.overdue(1600.1) == "total"


def test_after_all_is_told_the_usage_is_waited_for_some_seconds_only(timer):
    timer.first_token()
    timer.told_all(again=False)
    timer.touch()
    timer.told_all(again=False)
    assert timer.overdue(1004.9) is None
    assert timer.overdue(1005.1) == "idle"


def test_a_provider_that_goes_on_after_its_end_is_listened_to(timer, clock):
    timer.first_token()
    timer.told_all(again=True)
    clock.now += 4
    timer.told_all(again=True)
    assert timer.overdue(1008.9) is None
    assert timer.overdue(1009.1) == "idle"


def test_after_a_whole_answer_the_end_of_the_body_is_waited_for_a_moment_only(timer):
    timer.first_token()
    timer.answered()
    timer.touch()
    assert timer.overdue(1001.9) is None
    assert timer.overdue(1002.1) == "idle"


async def wait_for_ever(timer, caught):
    try:
        with timer.watching():
            await asyncio.Event().wait()
    except Interrupted as interrupted:
        caught.append(interrupted.reason)


async def test_an_interrupted_call_ends_with_the_first_reason(timer):
    caught = []
    task = asyncio.create_task(wait_for_ever(timer, caught))
    await asyncio.sleep(0)
    timer.interrupt("stopped")
    timer.interrupt("idle")
    await task
    assert caught == ["stopped"]
    assert not task.cancelled()


async def test_a_call_interrupted_before_it_began_does_not_begin(timer):
    caught = []
    timer.interrupt("stopped")
    await wait_for_ever(timer, caught)
    assert caught == ["stopped"]


async def test_a_cancellation_from_elsewhere_stays_a_cancellation(timer):
    caught = []
    task = asyncio.create_task(wait_for_ever(timer, caught))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert caught == []


async def test_the_clockwork_notices_silence_by_itself(clock):
    clockwork = Clockwork(clock)
    caught = []

    async def call():
        with clockwork.watch(LIMITS) as timer:
            await wait_for_ever(timer, caught)

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    clock.now += 31
    await asyncio.wait_for(task, timeout=5)
    assert caught == ["first_token"]
