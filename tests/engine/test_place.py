import asyncio

import pytest

from chat.engine import place
from chat.engine.place import PlaceInLine


@pytest.fixture
async def line(monkeypatch):
    """The places that were told, one in 20 ms at most, and who tells them."""
    monkeypatch.setattr(place, "PLACE_EACH_SECONDS", 0.02)
    told = []
    return told, PlaceInLine(told.append, asyncio.get_running_loop().time)


async def later():
    await asyncio.sleep(0.2)


async def test_the_first_place_is_told_at_once_and_of_many_more_the_last(line):
    told, mine = line
    for number in (5, 4, 3, 2):
        mine.stands(number)
    assert told == [5]
    await later()
    assert told == [5, 2]


async def test_a_turn_ends_the_wait_and_no_place_is_told_after_it(line):
    told, mine = line
    mine.stands(2)
    mine.stands(1)
    mine.got()
    await later()
    assert told == [2, 0]


async def test_who_never_waited_hears_nothing(line):
    told, mine = line
    mine.got()
    assert told == []


async def test_another_line_of_the_same_call_is_told_too(line):
    told, mine = line
    mine.stands(1)
    mine.got()
    mine.stands(1)
    await later()
    assert told == [1, 0, 1]


async def test_a_place_that_came_back_is_not_told_twice(line):
    told, mine = line
    for number in (2, 1, 2):
        mine.stands(number)
    await later()
    assert told == [2]


async def test_who_leaves_tells_nothing_more(line):
    told, mine = line
    mine.stands(2)
    mine.stands(1)
    mine.leave()
    await later()
    assert told == [2]
