"""Figures that change under running calls, and breakers by host."""

import asyncio

import pytest

from chat.conf import CallLimits
from chat.llm.safeguards import Safeguards, host_key
from chat.resilience.backends.base import Bucket
from chat.resilience.backends.memory import MemoryBackend
from chat.resilience.circuit_breaker import CircuitOpen
from tests.llm.guarding import safeguards_over
from tests.resilience.conftest import FakeTime, settle

NEVER = CallLimits()


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
async def safeguards(time: FakeTime):
    async with safeguards_over(MemoryBackend(time), clock=time, sleep=time.sleep) as made:
        yield made


# --- hosts -------------------------------------------------------------------------------------------------


async def fail(safeguards: Safeguards, url: str, times: int = 5) -> None:
    for _ in range(times):
        async with safeguards.host_passage(url) as passage:
            passage.failed()


async def test_a_host_that_failed_five_times_in_a_row_is_left_alone(safeguards: Safeguards):
    await fail(safeguards, "https://tools.example.org/one")
    with pytest.raises(CircuitOpen) as caught:
        async with safeguards.host_passage("http://Tools.Example.org:8080/two"):
            pass
    assert caught.value.key == "host:tools.example.org"
    assert caught.value.retry_after_seconds == pytest.approx(30)


async def test_other_hosts_are_not_concerned(safeguards: Safeguards):
    await fail(safeguards, "https://tools.example.org/")
    async with safeguards.host_passage("https://example.org/") as passage:
        passage.succeeded()
    assert set(await safeguards.breakers.views()) == {"host:tools.example.org"}


async def test_after_half_a_minute_one_call_finds_out_whether_the_host_is_back(
    safeguards: Safeguards, time: FakeTime
):
    await fail(safeguards, "https://tools.example.org/")
    time.now += 30
    async with safeguards.host_passage("https://tools.example.org/") as probe:
        with pytest.raises(CircuitOpen):
            async with safeguards.host_passage("https://tools.example.org/"):
                pass
        probe.succeeded()
    async with safeguards.host_passage("https://tools.example.org/"):
        pass


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://user:secret@Example.ORG.:8443/path?q", "host:example.org"),
        ("http://[2001:db8::1]:80/", "host:2001:db8::1"),
        ("http://127.0.0.1/", "host:127.0.0.1"),
    ],
)
def test_a_host_is_known_by_its_name_alone(url: str, key: str):
    assert host_key(url) == key


@pytest.mark.parametrize("url", ["", "/path", "mailto:a@b", "http://", "http://[::1"])
def test_what_names_no_host_is_refused(url: str):
    with pytest.raises(ValueError, match=r"."):
        host_key(url)


# --- figures -----------------------------------------------------------------------------------------------


async def test_who_waits_for_a_place_gets_it_when_there_are_more(safeguards: Safeguards):
    safeguards.take_figures("p", CallLimits(calls_at_once=1))
    held = 0
    done = asyncio.Event()

    async def call() -> None:
        nonlocal held
        places = safeguards.places.hold("provider:p", lambda: safeguards.figures("p", NEVER).calls_at_once)
        async with places:
            held += 1
            await done.wait()

    calls = [asyncio.create_task(call()) for _ in range(5)]
    await settle()
    assert (held, safeguards.anybody_waits()) == (1, True)
    safeguards.take_figures("p", CallLimits(calls_at_once=4))
    await settle()
    assert held == 4
    done.set()
    await asyncio.gather(*calls)
    assert not safeguards.anybody_waits()


async def test_who_waits_for_a_token_gets_it_when_they_come_faster(safeguards: Safeguards):
    figures = {"rate": 0.1}

    def buckets() -> list[Bucket]:
        return [Bucket("provider:p", figures["rate"], 1)]

    await safeguards.limiter.take("m", buckets)
    waiting = asyncio.create_task(safeguards.limiter.take("m", buckets))
    await settle()
    assert safeguards.anybody_waits()
    figures["rate"] = 1000.0
    safeguards.clock.now += 0.01  # type: ignore[attr-defined]
    safeguards.take_figures("p", CallLimits(calls_per_second=1000))
    await settle()
    assert waiting.done()


async def test_the_adaptive_limit_and_the_retry_budget_follow_and_keep_what_they_know(safeguards: Safeguards):
    before = CallLimits(calls_at_once=100)
    budget, adaptive = safeguards.retry_budget("p", before), safeguards.adaptive_limit("p", before)
    budget.note_call()
    safeguards.take_figures("p", CallLimits(calls_at_once=7, retries_always=3))
    assert adaptive.view().limit == 7
    assert (budget.view().calls, budget.view().allowed) == (1, 3)
    assert safeguards.retry_budget("p", CallLimits(calls_at_once=7, retries_always=3)) is budget
