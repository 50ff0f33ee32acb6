"""Questions to things that may hang: bounded in time and in threads."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from project.asking import HUNG_SECONDS, MOST_HUNG, Question

SOON = 5.0
SHORT = 0.3


class Thing:
    """Counts who asks; hangs while it is paused."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self._runs = threading.Event()
        self._runs.set()

    def pause(self) -> None:
        self._runs.clear()

    def go_on(self) -> None:
        self._runs.set()

    def __call__(self) -> int:
        self.asked += 1
        asked = self.asked
        self._runs.wait(30)
        if self.error is not None:
            raise self.error
        return asked


@pytest.fixture
def thing() -> Iterator[Thing]:
    made = Thing()
    yield made
    made.go_on()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_an_answer_is_given(thing):
    assert await Question("thing", thing, patience_seconds=SOON).answer() == 1


async def test_who_asks_at_the_same_time_shares_the_answer(thing):
    question = Question("thing", thing, patience_seconds=SOON)
    thing.pause()
    waiting = [asyncio.create_task(question.answer()) for _ in range(5)]
    await asyncio.sleep(SHORT)
    thing.go_on()
    assert await asyncio.gather(*waiting) == [1] * 5


async def test_an_answer_counts_for_a_while(thing):
    clock = Clock()
    question = Question("thing", thing, patience_seconds=SOON, fresh_seconds=5, clock=clock)
    first = await question.answer()
    clock.now += 4.9
    assert await question.answer() == first
    clock.now += 0.2
    assert await question.answer() == 2


async def test_an_error_is_no_answer(thing):
    thing.error = OSError("away")
    assert await Question("thing", thing, patience_seconds=SOON).answer() is None


async def test_what_hangs_is_waited_for_so_long_and_asked_by_one_thread(thing):
    question = Question("thing", thing, patience_seconds=SHORT)
    thing.pause()
    assert [await question.answer() for _ in range(4)] == [None] * 4
    assert thing.asked == 1


async def test_what_hangs_for_long_is_asked_anew_by_a_few_threads(thing):
    clock = Clock()
    question = Question("thing", thing, patience_seconds=SHORT, clock=clock)
    thing.pause()
    for _ in range(MOST_HUNG + 3):
        assert await question.answer() is None
        clock.now += HUNG_SECONDS + 1
    assert thing.asked == MOST_HUNG


async def test_what_hung_and_goes_on_answers_again(thing):
    question = Question("thing", thing, patience_seconds=SHORT)
    thing.pause()
    assert await question.answer() is None
    thing.go_on()
    async with asyncio.timeout(SOON):
        while await question.answer() is None:
            await asyncio.sleep(0.01)


async def test_the_log_says_so_when_it_changes_and_not_each_time(thing, caplog):
    caplog.set_level("INFO", "project.asking")
    question = Question("this one", thing, patience_seconds=SOON)
    for error in (None, OSError("away"), OSError("away"), None, None):
        thing.error = error
        await question.answer()
    # A thread of an earlier test may have its answer only now.
    said = [line for record in caplog.records if "this one" in (line := record.getMessage())]
    assert ["does not answer" in line for line in said] == [True, False]
    assert "answers again" in said[1]
