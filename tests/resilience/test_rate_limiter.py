import asyncio

import pytest

from chat.resilience.backends.base import Bucket, Learned
from chat.resilience.backends.memory import MemoryBackend
from chat.resilience.rate_headers import RateFacts
from chat.resilience.rate_limiter import RateLimiter, learned
from chat.resilience.waiting_line import WaitedTooLong
from tests.resilience.conftest import FakeTime, settle, start

PROVIDER = Bucket("provider:1", 100, 200)


def requests(amount: float = 1) -> Bucket:
    return Bucket("model:1:requests", amount=amount)


@pytest.fixture
def limiter(time: FakeTime) -> RateLimiter:
    return RateLimiter(MemoryBackend(time), clock=time, sleep=time.sleep)


async def test_two_hundred_pass_at_once_and_then_a_hundred_a_second(limiter: RateLimiter, time: FakeTime):
    calls = [start(limiter.take("model:1", [PROVIDER])) for _ in range(350)]
    await settle()
    assert sum(call.done() for call in calls) == 200
    await time.pass_by(1.01)
    assert 298 <= sum(call.done() for call in calls) <= 302
    await time.pass_by(1)
    assert max([await call for call in calls]) == pytest.approx(1.5, abs=0.02)


async def test_a_wait_is_first_come_first_served_and_shows_its_place(limiter: RateLimiter, time: FakeTime):
    slow = Bucket("slow", 1, 1)
    order: list[str] = []
    places: list[int] = []

    async def call(name: str) -> None:
        await limiter.take("model:1", [slow], on_wait=places.append if name == "c" else None)
        order.append(name)

    calls = [start(call(name)) for name in "abcd"]
    await time.pass_by(4)
    await asyncio.gather(*calls)
    assert order == ["a", "b", "c", "d"]
    assert places == [2, 1]


async def test_a_wait_beyond_its_time_out_is_refused_at_once_with_the_time(limiter: RateLimiter):
    slow = Bucket("slow", 1 / 60, 1)
    await limiter.take("model:1", [slow])
    with pytest.raises(WaitedTooLong) as caught:
        await limiter.take("model:1", [slow], wait_seconds=30)
    assert caught.value.retry_after_seconds == pytest.approx(60)


async def test_a_model_that_waits_does_not_hold_up_another(limiter: RateLimiter, time: FakeTime):
    await limiter.hold_off("model:1:requests", 20)
    waiting = start(limiter.take("model:1", [PROVIDER, requests()]))
    await settle()
    assert limiter.waiting("model:1") == 1
    assert await limiter.take("model:2", [PROVIDER, Bucket("model:2:requests")]) == 0.0
    await time.pass_by(20)
    assert await waiting == pytest.approx(20)


async def test_what_the_headers_say_holds_the_next_calls_back(limiter: RateLimiter, time: FakeTime):
    await limiter.learn([("model:1:requests", RateFacts(60, 1, 59)), ("model:1:tokens", None)])
    assert await limiter.take("model:1", [requests()]) == 0.0
    waiting = start(limiter.take("model:1", [requests()]))
    await time.pass_by(0.9)
    assert not waiting.done()
    await time.pass_by(0.2)
    assert await waiting == pytest.approx(1.0, abs=0.01)


async def test_an_answer_without_such_headers_costs_no_trip(limiter: RateLimiter):
    limiter._backend = None  # type: ignore[assignment]
    await limiter.learn([("model:1:requests", None), ("model:1:tokens", RateFacts(remaining=3))])


async def test_staff_see_the_level(limiter: RateLimiter):
    await limiter.take("model:1", [PROVIDER])
    assert (await limiter.levels([PROVIDER]))[0].tokens == 199


@pytest.mark.parametrize(
    ("facts", "capacity", "per_second"),
    [
        (RateFacts(500, 499, 0.12), 500, 1 / 0.12),  # OpenAI: a bucket that refills all the time
        (RateFacts(14_400, 14_370, 180), 14_400, 1 / 6),  # Groq: a limit a day under the same name
        (RateFacts(50, 50, 0), 50, 50 / 60),
        (RateFacts(50), 50, 50 / 60),
        (RateFacts(50, 20), 50, 50 / 60),
        (RateFacts(50, 49, 1e-9), 50, 50),
        (RateFacts(50, 49, 31 * 86_400), 50, 50 / 86_400),
    ],
)
def test_a_limit_refills_as_its_reset_says(facts: RateFacts, capacity: float, per_second: float):
    made = learned("k", facts)
    assert made is not None
    assert made.capacity == capacity
    assert made.per_second == pytest.approx(per_second)
    assert made.remaining == facts.remaining


@pytest.mark.parametrize("facts", [RateFacts(), RateFacts(remaining=5), RateFacts(0, 0, 60)])
def test_without_a_size_there_is_nothing_to_learn(facts: RateFacts):
    assert learned("k", facts) is None


def test_more_left_than_there_can_be_is_all_of_it():
    assert learned("k", RateFacts(50, 99)) == Learned("k", 50, 50 / 60, 50)
