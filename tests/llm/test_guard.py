"""What the guard tells the limits of a process. What a run's viewers see of it: tests/engine/test_retries.py."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from msgspec.structs import replace

from chat.conf import CallLimits, Deadlines
from chat.exceptions import ChatError, ProviderOverloaded
from chat.llm.client import Endpoint, ModelClient
from chat.llm.deltas import TextDelta
from chat.llm.guard import CallTarget, Guard
from chat.llm.messages import ChatMessage, ModelRequest, Options, TextPart
from chat.llm.safeguards import Safeguards
from chat.resilience.backends.memory import MemoryBackend
from chat.resilience.deadline import Clockwork, Interrupted
from tests.fakes.upstream import FakeUpstream, fake_upstream
from tests.llm.wire import dialect

REQUEST = ModelRequest(model="m", messages=(ChatMessage("user", (TextPart("hello"),)),))
BUSY = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
QUICK = CallLimits(retry_base_seconds=0.01)


class Hearing:
    """A listener that remembers."""

    def __init__(self):
        self.facts, self.errors, self.waits, self.deltas, self.dropped = [], [], [], [], []

    def attempt_began(self, facts, dropped):
        self.facts.append(facts)
        self.dropped.append(tuple(dropped))
        return self.deltas.extend

    def attempt_ended(self, error):
        self.errors.append(error)

    def retrying(self, wait_seconds, error):
        self.waits.append(wait_seconds)

    def waiting(self, place):
        pass


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with fake_upstream() as fake:
        yield fake


@pytest.fixture
async def safeguards() -> AsyncIterator[Safeguards]:
    async with ModelClient() as client:
        made = Safeguards(
            MemoryBackend(time.monotonic),
            client=client,
            clockwork=Clockwork(time.monotonic),
            clock=time.monotonic,
            wall_clock=time.time,
            sleep=asyncio.sleep,
            uniform=lambda _least, most: most,
            name="test",
        )
        yield made
        await made.aclose()


def guard(safeguards, upstream, limits=QUICK, remember=None, **deadlines):
    target = CallTarget(
        user="u",
        provider="p",
        model="m",
        dialect=dialect("openai_chat"),
        endpoint=Endpoint(upstream.base_url),
        api_key="key",
        deadlines=Deadlines(**deadlines),
        limits=limits,
    )
    return Guard(safeguards, target, remember=remember)


async def error_of(run):
    with pytest.raises(ChatError) as caught:
        await run
    return caught.value


async def test_a_whole_answer_gives_back_all_places(safeguards, upstream):
    hearing = Hearing()
    await guard(safeguards, upstream).run(REQUEST, hearing)
    assert hearing.errors == [None]
    assert [await safeguards.places.in_use(key) for key in ("user:u", "provider:p")] == [0, 0]
    assert safeguards.adaptive_limit("p", QUICK).view().in_flight == 0


async def test_a_stopped_call_gives_back_all_places_and_counts_as_nothing(safeguards, upstream):
    async def play(answer):
        await answer.say("a")
        await answer.wait_for_hang_up()

    upstream.play = play
    stopped = guard(safeguards, upstream)
    task = asyncio.create_task(stopped.run(REQUEST, Hearing()))
    while not upstream.requests:
        await asyncio.sleep(0.005)
    stopped.stop()
    with pytest.raises(Interrupted):
        await task
    assert await safeguards.places.in_use("provider:p") == 0
    assert await safeguards.breakers.views() == {}


async def test_a_call_stopped_before_it_began_is_not_made(safeguards, upstream):
    stopped = guard(safeguards, upstream)
    stopped.stop()
    with pytest.raises(Interrupted):
        await stopped.run(REQUEST, Hearing())
    assert upstream.requests == []


@pytest.mark.parametrize(("status", "falls"), [(429, True), (503, True), (529, True), (500, False)])
async def test_the_adaptive_limit_falls_where_the_provider_says_too_much(safeguards, upstream, status, falls):
    upstream.refuse(status, BUSY)
    await error_of(guard(safeguards, upstream).run(REQUEST, Hearing()))
    assert (safeguards.adaptive_limit("p", QUICK).view().limit < QUICK.calls_at_once) is falls


async def test_a_first_token_that_does_not_come_is_an_overload(safeguards, upstream):
    async def play(answer):
        await answer.wait_for_hang_up()

    upstream.play = play
    await error_of(guard(safeguards, upstream, first_token_seconds=0.1).run(REQUEST, Hearing()))
    assert safeguards.adaptive_limit("p", QUICK).view().limit < QUICK.calls_at_once


async def test_waits_grow_and_end_with_the_third_attempt(safeguards, upstream):
    upstream.refuse(500, BUSY)
    hearing = Hearing()
    assert isinstance(await error_of(guard(safeguards, upstream).run(REQUEST, hearing)), ProviderOverloaded)
    assert hearing.waits == [0.01, 0.02]
    assert len(hearing.facts) == len(hearing.errors) == 3


async def test_nobody_asks_before_the_time_the_provider_has_named(safeguards, upstream):
    upstream.refuse(429, BUSY, **{"retry-after": "50"})
    limits = CallLimits(attempts=1, wait_seconds=1)
    await error_of(guard(safeguards, upstream, limits).run(REQUEST, Hearing()))
    error = await error_of(guard(safeguards, upstream, limits).run(REQUEST, Hearing()))
    assert error.code == "rate_limited"
    assert 40 < error.retry_after_seconds <= 50
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(("limited", "made"), [(True, 1), (False, 2)])
async def test_a_failing_provider_is_left_alone_unless_it_is_the_scripted_one(
    safeguards, upstream, limited, made
):
    upstream.refuse(500, BUSY)
    limits = CallLimits(limited=limited, attempts=1, breaker_failures=1)
    for _ in range(2):
        await error_of(guard(safeguards, upstream, limits).run(REQUEST, Hearing()))
    assert len(upstream.requests) == made
    assert ("provider:p" in await safeguards.breakers.views()) is limited


async def test_a_call_of_our_own_that_fails_says_nothing_of_the_provider(safeguards, upstream):
    upstream.refuse(400, BUSY)
    limits = CallLimits(breaker_failures=1)
    for _ in range(2):
        await error_of(guard(safeguards, upstream, limits).run(REQUEST, Hearing()))
    assert len(upstream.requests) == 2


async def test_a_redirect_is_one_attempt_and_says_nothing_of_the_provider(safeguards, upstream):
    async def play(answer):
        answer.response.set_status(307)
        answer.response.headers["Location"] = "https://other.example/v1?key=secret"
        await answer.end()

    upstream.play = play
    error = await error_of(
        guard(safeguards, upstream, CallLimits(breaker_failures=1)).run(REQUEST, Hearing())
    )
    assert (error.code, error.detail) == (
        "provider_rejected",
        "HTTP 307 Temporary Redirect: it leads to https://other.example/v1",
    )
    assert len(upstream.requests) == 1
    assert await safeguards.breakers.views() == {}


@pytest.mark.parametrize("refuses_streams", [False, True])
async def test_an_answer_in_one_piece_has_all_the_time_there_is(safeguards, upstream, refuses_streams):
    """Also where the model was found out to have no other."""
    asked = REQUEST if refuses_streams else replace(REQUEST, stream=False)
    whole = {"choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}]}
    refusal = {"error": {"message": "Streaming is not supported for this model.", "param": "stream"}}

    async def play(answer):
        if answer.body.get("stream"):
            answer.response = web.json_response(refusal, status=400)
            return
        await asyncio.sleep(0.3)
        answer.response = web.json_response(whole)

    upstream.play = play
    hearing = Hearing()
    await guard(safeguards, upstream, first_token_seconds=0.1, idle_seconds=0.1).run(asked, hearing)
    assert TextDelta("hello") in hearing.deltas
    assert len(upstream.requests) == 1 + refuses_streams


async def test_what_was_learned_is_remembered_and_left_out_is_told(safeguards, upstream):
    async def play(answer):
        refused = next((name for name in ("max_tokens", "temperature") if name in answer.body), None)
        if refused is None:
            await upstream.say_hello(answer)
        else:
            error = {"message": f"Unsupported parameter: '{refused}'", "param": refused}
            answer.response = web.json_response({"error": error}, status=400)

    upstream.play = play
    learned, hearing = [], Hearing()
    asked = replace(REQUEST, options=Options(temperature=0.5, max_output_tokens=100))
    await guard(safeguards, upstream, remember=learned.append).run(asked, hearing)
    assert learned == ["max_completion_tokens", "no_temperature"]
    assert hearing.dropped == [(), (), ("temperature",)]
    assert upstream.requests[-1]["max_completion_tokens"] == 100
