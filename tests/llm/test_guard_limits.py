"""The promises about limits and retries, each with its default figure, counted at a real HTTP server.

Time moves only when told, so that no test waits for it: `standing` stops until `pass_by`, `leaping` jumps over sleeps.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from chat.conf import CallLimits
from chat.llm.safeguards import Safeguards
from chat.resilience.backends.memory import MemoryBackend
from chat.resilience.deadline import Interrupted
from tests.engine.plays import BROKE
from tests.fakes.upstream import FakeUpstream, fake_upstream
from tests.llm.guarding import BUSY, REQUEST, Hearing, guard_for, outcome, safeguards_over
from tests.llm.wire import event
from tests.resilience.conftest import FakeTime

DEFAULTS = CallLimits()
MANY = replace(DEFAULTS, calls_per_second=1e6, calls_burst=1_000_000)
"""Where the bucket is not what is tried."""
NO_BREAKER = replace(MANY, breaker_failures=10_000, retry_base_seconds=0.0)


class LeapingTime(FakeTime):
    """Each sleep is over at once, and the clock stands where it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with fake_upstream() as fake:
        yield fake


@pytest.fixture
def standing() -> FakeTime:
    return FakeTime()


@pytest.fixture
def leaping() -> LeapingTime:
    return LeapingTime()


def guarded(time: FakeTime):
    return safeguards_over(MemoryBackend(time), clock=time, sleep=time.sleep)


async def until(reached) -> None:
    async with asyncio.timeout(20):
        while not reached():
            await asyncio.sleep(0.002)


class Crowd:
    """Calls that all begin at once and last until they are stopped."""

    def __init__(self, safeguards: Safeguards, upstream: FakeUpstream) -> None:
        self.safeguards, self.upstream = safeguards, upstream
        self.guards = []
        self.tasks: list[asyncio.Task[None]] = []

    def begin(self, count: int, limits: CallLimits, *, user: str = "u") -> None:
        for _ in range(count):
            guard = guard_for(self.safeguards, self.upstream.base_url, limits, user=user)
            self.guards.append(guard)
            self.tasks.append(asyncio.create_task(guard.run(REQUEST, Hearing())))

    async def end(self) -> None:
        for guard in self.guards:
            guard.stop()
        ended = await asyncio.gather(*self.tasks, return_exceptions=True)
        assert all(isinstance(one, Interrupted) for one in ended)


async def hang(answer) -> None:
    await answer.say("long")
    await answer.wait_for_hang_up()


# --- calls at once ---------------------------------------------------------------------------------------


async def test_a_user_has_twenty_calls_at_once_and_the_next_one_waits(upstream, standing):
    upstream.play = hang
    async with guarded(standing) as safeguards:
        crowd = Crowd(safeguards, upstream)
        crowd.begin(25, MANY)
        await until(lambda: len(upstream.requests) == 20 and safeguards.places.waiting("user:u") == 5)
        assert await safeguards.places.in_use("user:u") == 20
        crowd.guards[0].stop()
        await until(lambda: len(upstream.requests) == 21)
        assert safeguards.places.waiting("user:u") == 4
        await crowd.end()
        assert len(upstream.requests) == 21


async def test_a_provider_has_five_hundred_calls_at_once(upstream, standing):
    upstream.play = hang
    async with guarded(standing) as safeguards:
        crowd = Crowd(safeguards, upstream)
        for number in range(26):
            crowd.begin(20, MANY, user=f"u{number}")
        await until(lambda: len(upstream.requests) == 500 and safeguards.places.waiting("provider:p") == 20)
        assert await safeguards.places.in_use("provider:p") == 500
        await crowd.end()
        assert len(upstream.requests) == 500


async def test_a_wait_for_a_place_ends_after_thirty_seconds_with_the_time_to_come_back(upstream, standing):
    upstream.play = hang
    async with guarded(standing) as safeguards:
        crowd = Crowd(safeguards, upstream)
        crowd.begin(20, MANY)
        await until(lambda: len(upstream.requests) == 20)
        late = asyncio.create_task(outcome(guard_for(safeguards, upstream.base_url, MANY)))
        await until(lambda: safeguards.places.waiting("user:u") == 1)
        await standing.pass_by(29.9)
        assert not late.done()
        await standing.pass_by(0.2)
        error = await late
        assert error is not None
        assert (error.code, error.retryable) == ("rate_limited", True)
        assert error.retry_after_seconds is not None
        assert error.retry_after_seconds > 0
        await crowd.end()


# --- buckets -----------------------------------------------------------------------------------------------


async def test_two_hundred_calls_go_out_at_once_and_then_a_hundred_a_second(upstream, standing):
    async with guarded(standing) as safeguards:
        calls = [
            asyncio.create_task(
                outcome(guard_for(safeguards, upstream.base_url, DEFAULTS, user=f"u{number}"))
            )
            for number in range(230)
        ]
        await until(lambda: len(upstream.requests) == 200 and safeguards.limiter.waiting("requests:m") == 30)
        await standing.pass_by(0.1)
        await until(lambda: len(upstream.requests) >= 210)
        assert len(upstream.requests) in (210, 211)
        await standing.pass_by(0.5)
        assert await asyncio.gather(*calls) == [None] * 230


OPENAI = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "1",
    "x-ratelimit-reset-requests": "59s",
}
# The question is counted as 1.25 tokens: four characters each.
OPENAI_TOKENS = {
    "x-ratelimit-limit-tokens": "60",
    "x-ratelimit-remaining-tokens": "2",
    "x-ratelimit-reset-tokens": "58s",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "60",
    "anthropic-ratelimit-requests-remaining": "1",
    "anthropic-ratelimit-requests-reset": "59",
}


def says(upstream: FakeUpstream, speaks: str, headers: dict[str, str]) -> None:
    async def play(answer) -> None:
        answer.response.headers.update(headers)
        if speaks == "openai_chat":
            await upstream.say_hello(answer)
            return
        usage = {"input_tokens": 3, "output_tokens": 2}
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}
        stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
        start = {"type": "message_start", "message": {"id": "m1", "content": [], "usage": usage}}
        told = (
            start,
            block,
            text,
            {"type": "content_block_stop", "index": 0},
            stop,
            {"type": "message_stop"},
        )
        for one in told:
            await answer.send(event(one, str(one["type"])))

    upstream.play = play


@pytest.mark.parametrize(
    ("speaks", "headers", "back_in_seconds"),
    [
        ("openai_chat", OPENAI, 1.0),
        ("openai_chat", OPENAI_TOKENS, 0.5),
        ("anthropic_messages", ANTHROPIC, 1.0),
    ],
)
async def test_what_a_provider_tells_of_its_limits_holds_for_the_models_next_calls_and_no_others(
    upstream, standing, speaks, headers, back_in_seconds
):
    says(upstream, speaks, headers)
    base_url = upstream.base_url.removesuffix("/v1" if speaks == "anthropic_messages" else "")
    limits = replace(DEFAULTS, wait_seconds=0.2)
    async with guarded(standing) as safeguards:

        async def call(model: str = "m"):
            return await outcome(guard_for(safeguards, base_url, limits, model=model, speaks=speaks))

        assert await call() is None
        await until(lambda: not safeguards._background)
        # There is enough for one more, and the rest comes back by one a second.
        first, second = await call(), await call()
        await until(lambda: not safeguards._background)
        assert first is None
        assert second is not None
        assert second.code == "rate_limited"
        assert second.retry_after_seconds == pytest.approx(back_in_seconds, abs=0.1)
        assert await call(model="other") is None
        standing.now += 1.1
        assert await call() is None


# --- retries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "waited_seconds"),
    [({"retry-after": "60"}, 60.0), ({"retry-after-ms": "1500"}, 1.5), ({"retry-after-ms": "60000"}, 60.0)],
)
async def test_a_wait_the_provider_asks_for_is_kept_up_to_a_minute(
    upstream, leaping, headers, waited_seconds
):
    upstream.refuse(503, BUSY, **headers)
    async with guarded(leaping) as safeguards:
        hearing = Hearing()
        await outcome(guard_for(safeguards, upstream.base_url, replace(DEFAULTS, attempts=2)), hearing)
    # And then the jitter, half a second at most: all who were sent away must not come back at once.
    assert hearing.waits == [waited_seconds + 0.5]
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("headers", [{"retry-after": "61"}, {"retry-after-ms": "60001"}])
async def test_a_longer_wait_is_the_end_and_the_time_is_told(upstream, leaping, headers):
    upstream.refuse(429, BUSY, **headers)
    async with guarded(leaping) as safeguards:
        error = await outcome(guard_for(safeguards, upstream.base_url, DEFAULTS))
    assert error is not None
    assert error.retry_after_seconds is not None
    assert 60 < error.retry_after_seconds <= 61
    assert len(upstream.requests) == 1


async def test_ten_retries_a_minute_are_always_allowed(upstream, leaping):
    upstream.refuse(500, BUSY)
    async with guarded(leaping) as safeguards:
        for _ in range(30):
            await outcome(guard_for(safeguards, upstream.base_url, NO_BREAKER))
    assert len(upstream.requests) == 30 + 10


async def test_beyond_them_a_tenth_of_the_last_minutes_calls_may_be_retries(upstream, leaping):
    upstream.refuse(500, BUSY)
    async with guarded(leaping) as safeguards:
        for _ in range(200):
            await outcome(guard_for(safeguards, upstream.base_url, NO_BREAKER))
    assert len(upstream.requests) == 200 + 20


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, BUSY), (401, BUSY), (403, BUSY), (404, BUSY), (413, BUSY), (402, BUSY), (429, BROKE)],
)
async def test_what_waiting_does_not_mend_is_asked_once(upstream, leaping, status, body):
    upstream.refuse(status, body, **{"retry-after": "1"})
    async with guarded(leaping) as safeguards:
        hearing = Hearing()
        assert await outcome(guard_for(safeguards, upstream.base_url, DEFAULTS), hearing) is not None
    assert hearing.waits == []
    assert len(upstream.requests) == 1


# --- the breaker -------------------------------------------------------------------------------------------


async def test_after_five_failures_nobody_asks_for_half_a_minute_and_then_three_must_succeed(
    upstream, standing
):
    limits = replace(DEFAULTS, attempts=1)
    async with guarded(standing) as safeguards:

        async def call():
            return await outcome(guard_for(safeguards, upstream.base_url, limits))

        upstream.refuse(500, BUSY)
        for _ in range(5):
            await call()
        error = await call()
        assert error is not None
        assert error.retry_after_seconds == pytest.approx(30)
        assert len(upstream.requests) == 5
        upstream.play = upstream.say_hello
        standing.now += 30
        for successes in (1, 2):
            assert await call() is None
            view = (await safeguards.breakers.views())["provider:p"]
            assert (view.state, view.successes) == ("half_open", successes)
        assert await call() is None
        assert (await safeguards.breakers.views())["provider:p"].state == "closed"
