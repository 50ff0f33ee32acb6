"""One attempt over real HTTP, with a clock that runs fifty times as fast."""

import time

import pytest

from chat.conf import Deadlines
from chat.exceptions import ProviderTimeout
from chat.llm.attempt import CallFacts, ModelCall
from chat.llm.client import Endpoint, ModelClient
from chat.llm.deltas import Delta, Finished, TextDelta, UsageReported
from chat.llm.dialects.base import WireRequest
from chat.resilience.deadline import USAGE_SECONDS, Clockwork
from tests.fakes.upstream import Answering, FakeUpstream, chunk, fake_upstream, usage
from tests.llm.wire import dialect

ASK = WireRequest(path="/chat/completions", headers={}, body=b"{}")
LIMITS = Deadlines(first_token_seconds=300, idle_seconds=100, total_seconds=3000)


def fast() -> float:
    return time.monotonic() * 50


async def attempt(upstream: FakeUpstream) -> tuple[list[Delta], float]:
    """What was told, and how many of the fast clock's seconds it took."""
    told: list[Delta] = []
    async with ModelClient() as client:
        call = ModelCall(
            client=client,
            clockwork=Clockwork(fast),
            clock=fast,
            dialect=dialect("openai_chat"),
            endpoint=Endpoint(upstream.base_url),
            deadlines=LIMITS,
            facts=CallFacts(),
        )
        began = fast()
        await call.run(ASK, told.extend)
        return told, fast() - began


async def test_a_provider_that_holds_the_line_after_its_finish_reason_is_not_waited_for_long():
    async def play(answer: Answering) -> None:
        await answer.say("Hello")
        await answer.send(chunk(finish="stop"))
        await answer.wait_for_hang_up()

    async with fake_upstream() as upstream:
        upstream.play = play
        told, seconds = await attempt(upstream)
    assert told[-2:] == [TextDelta("Hello"), Finished("stop", "stop")]
    assert USAGE_SECONDS <= seconds < LIMITS.idle_seconds


async def test_usage_that_comes_after_the_finish_reason_is_waited_for():
    async def play(answer: Answering) -> None:
        await answer.say("Hello")
        await answer.send(chunk(finish="stop"))
        await answer.send(usage(8, 2))
        await answer.wait_for_hang_up()

    async with fake_upstream() as upstream:
        upstream.play = play
        told, _ = await attempt(upstream)
    assert isinstance(told[-2], UsageReported)
    assert (told[-2].usage.input_tokens, told[-2].usage.output_tokens) == (8, 2)


async def test_a_line_that_falls_silent_before_the_finish_reason_is_a_timeout():
    async def play(answer: Answering) -> None:
        await answer.say("Hello")
        await answer.wait_for_hang_up()

    async with fake_upstream() as upstream:
        upstream.play = play
        with pytest.raises(ProviderTimeout) as raised:
            await attempt(upstream)
    assert raised.value.phase == "idle"
