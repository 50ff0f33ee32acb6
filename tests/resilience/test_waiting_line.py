import asyncio

import pytest

from chat.resilience.waiting_line import LineFull, WaitedTooLong, WaitingLines
from tests.resilience.conftest import FakeTime, settle, start


class Shop:
    """Has `stock` to give; says `again` where it has not."""

    def __init__(self, stock: int = 0, again: float | None = None) -> None:
        self.stock = stock
        self.again = again
        self.asked = 0

    async def ask(self) -> float | None:
        self.asked += 1
        if self.stock:
            self.stock -= 1
            return 0.0
        return self.again


@pytest.fixture
def lines(time: FakeTime) -> WaitingLines:
    return WaitingLines(clock=time, sleep=time.sleep, most_waiting=3)


async def stand(lines: WaitingLines, shop: Shop, wait_seconds: float = 30.0, **more) -> float:
    return await lines.stand("bread", shop.ask, wait_seconds=wait_seconds, **more)


async def test_what_is_there_is_had_at_once(lines: WaitingLines):
    assert await stand(lines, Shop(stock=1)) == 0.0
    assert lines.waiting("bread") == 0


async def test_who_comes_first_is_served_first(lines: WaitingLines):
    shop, served = Shop(), []

    async def customer(name: str) -> None:
        await stand(lines, shop)
        served.append(name)

    waiting = [start(customer(name)) for name in "abc"]
    await settle()
    for expected in ("a", "ab", "abc"):
        shop.stock = 1
        lines.wake("bread")
        await settle()
        assert "".join(served) == expected
    await asyncio.gather(*waiting)


async def test_a_newcomer_does_not_overtake_the_line(lines: WaitingLines):
    shop = Shop()
    first = start(stand(lines, shop))
    await settle()
    shop.stock = 1
    second = start(stand(lines, shop))
    await settle()
    assert not second.done()
    lines.wake("bread")
    await settle()
    assert first.done()
    assert not second.done()
    shop.stock = 1
    lines.wake("bread")
    await second


async def test_one_wake_serves_as_many_as_there_is_for(lines: WaitingLines):
    shop = Shop()
    waiting = [start(stand(lines, shop)) for _ in range(3)]
    await settle()
    shop.stock = 2
    lines.wake("bread")
    await settle()
    assert [task.done() for task in waiting] == [True, True, False]
    shop.stock = 1
    lines.wake("bread")
    await waiting[2]


async def test_everybody_is_told_the_place_when_it_changes(lines: WaitingLines):
    shop = Shop()
    told: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    waiting = {}
    for name, places in told.items():
        waiting[name] = start(stand(lines, shop, on_wait=places.append))
        await settle()
    waiting["b"].cancel()
    await settle()
    shop.stock = 1
    lines.wake("bread")
    await settle()
    assert told == {"a": [1], "b": [2], "c": [3, 2, 1]}
    shop.stock = 1
    lines.wake("bread")
    await waiting["c"]


async def test_who_is_served_at_once_hears_of_no_place(lines: WaitingLines):
    places: list[int] = []
    await stand(lines, Shop(stock=1), on_wait=places.append)
    assert places == []


async def test_the_head_asks_again_when_it_was_told_to(lines: WaitingLines, time: FakeTime):
    shop = Shop(again=2.0)
    task = start(stand(lines, shop))
    await time.pass_by(1.9)
    assert shop.asked == 1
    shop.stock = 1
    await time.pass_by(0.1)
    assert await task == pytest.approx(2.0)


async def test_only_the_head_asks(lines: WaitingLines, time: FakeTime):
    shop = Shop(again=1.0)
    waiting = [start(stand(lines, shop, 5.5)) for _ in range(3)]
    await time.pass_by(5.4)
    assert shop.asked == 1 + 5
    await time.pass_by(1)
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_wait_ends_at_its_time_out(lines: WaitingLines, time: FakeTime):
    task = start(stand(lines, Shop()))
    await time.pass_by(29.9)
    assert not task.done()
    await time.pass_by(0.1)
    with pytest.raises(WaitedTooLong):
        await task
    assert lines.waiting("bread") == 0


async def test_a_wait_that_cannot_end_in_time_ends_at_once_where_that_is_certain(lines: WaitingLines):
    with pytest.raises(WaitedTooLong) as caught:
        await stand(lines, Shop(again=31.0), exact=True)
    assert caught.value.retry_after_seconds == 31.0


async def test_a_line_has_an_end(lines: WaitingLines):
    waiting = [start(stand(lines, Shop())) for _ in range(3)]
    await settle()
    with pytest.raises(LineFull):
        await stand(lines, Shop())
    for task in waiting:
        task.cancel()


async def test_a_head_that_leaves_lets_the_next_one_ask(lines: WaitingLines):
    shop = Shop()
    first, second = (start(stand(lines, shop)) for _ in range(2))
    await settle()
    shop.stock = 1
    first.cancel()
    await settle()
    assert second.done()


async def test_a_line_that_has_emptied_leaves_nothing_behind(lines: WaitingLines, time: FakeTime):
    task = start(stand(lines, Shop()))
    await settle()
    task.cancel()
    await settle()
    assert lines._lines == {}
    assert time.sleeping == 0


async def test_a_failure_while_asking_leaves_the_line(lines: WaitingLines):
    async def broken() -> float:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await lines.stand("bread", broken, wait_seconds=1)
    assert lines.waiting("bread") == 0
