"""Breaker, lines and the next model, seen by those who look at the run."""

import json
from datetime import datetime

import pytest

from chat.models import LanguageModel
from tests.engine.plays import BUSY, only, plays, refusing, saying

pytestmark = pytest.mark.django_db(transaction=True)


# --- breaker and lines --------------------------------------------------------------------------------


async def test_a_dead_provider_is_left_alone(chat, upstream):
    await chat.provider(attempts=1, breaker_failures=2, breaker_open_seconds=30)
    upstream.refuse(500, BUSY)
    for _ in range(2):
        await chat.events((await chat.ask("hello")).run)
    error = (await chat.events((await chat.ask("hello")).run))[-1]["error"]
    assert error["code"] == "provider_overloaded"
    assert 0 < error["retry_after_seconds"] <= 30
    assert len(upstream.requests) == 2
    assert len(await chat.calls()) == 2


async def test_a_breaker_that_opens_between_attempts_leaves_the_run_its_own_error(chat, upstream):
    await chat.provider(breaker_failures=2)
    plays(upstream, saying("a"))
    error = (await chat.events((await chat.ask("hello")).run))[-1]["error"]
    assert error["code"] == "provider_cut"
    assert len(upstream.requests) == 2


async def test_refusals_that_are_our_fault_open_no_breaker(chat, upstream):
    await chat.provider(breaker_failures=1)
    upstream.refuse(400, BUSY)
    for _ in range(2):
        await chat.events((await chat.ask("hello")).run)
    assert len(upstream.requests) == 2


async def test_who_has_all_places_waits_and_knows_it(chat, upstream):
    await chat.provider(calls_per_user=1)

    async def play(answer):
        await answer.say("long")
        await answer.wait_for_hang_up()

    plays(upstream, play, upstream.say_hello)
    first = await chat.ask("one")
    await chat.events(first.run, until="text.delta")
    second = await chat.ask("two")
    assert (await chat.events(second.run, until="run.waiting"))[-1]["place"] == 1
    assert len(upstream.requests) == 1
    await chat.stop(first)
    events = await chat.events(second.run)
    assert events[-1]["status"] == "completed"
    assert [event["place"] for event in events if event["type"] == "run.waiting"] == [1, 0]
    await chat.events(first.run)
    queued = [call.queue_ms for call in await chat.calls()]
    assert queued[1] > queued[0]


async def test_a_wait_in_line_has_an_end(chat, upstream):
    await chat.provider(calls_per_user=1, wait_seconds=0.1)

    async def play(answer):
        await answer.say("long")
        await answer.wait_for_hang_up()

    upstream.play = play
    first = await chat.ask("one")
    await chat.events(first.run, until="text.delta")
    error = (await chat.events((await chat.ask("two")).run))[-1]["error"]
    assert (error["code"], error["retryable"]) == ("rate_limited", True)
    assert len(upstream.requests) == 1
    await chat.stop(first)
    await chat.events(first.run)


async def test_stop_ends_a_wait_in_line(chat, upstream):
    await chat.provider(calls_per_user=1)

    async def play(answer):
        await answer.say("long")
        await answer.wait_for_hang_up()

    upstream.play = play
    first, second = await chat.ask("one"), None
    await chat.events(first.run, until="text.delta")
    second = await chat.ask("two")
    await chat.events(second.run, until="run.waiting")
    await chat.stop(second)
    end = (await chat.events(second.run))[-1]
    assert end["status"] == "stopped"
    assert datetime.fromisoformat(end["stop_receipt"]["requested_at"])
    assert end["stop_receipt"]["upstream_closed_at"] is None
    await chat.stop(first)
    await chat.events(first.run)


async def test_a_limit_that_the_provider_tells_holds_for_the_next_call(chat, upstream):
    await chat.provider(wait_seconds=0.2)

    async def play(answer):
        answer.response.headers.update(
            {
                "x-ratelimit-limit-requests": "60",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "60s",
            }
        )
        await upstream.say_hello(answer)

    upstream.play = play
    await chat.events((await chat.ask("hello")).run)
    error = (await chat.events((await chat.ask("hello")).run))[-1]["error"]
    assert error["code"] == "rate_limited"
    assert 0 < error["retry_after_seconds"] <= 60
    assert len(upstream.requests) == 1


# --- the next model -----------------------------------------------------------------------------------


@pytest.fixture
async def second_model(chat):
    """What `model-1` hands over to."""

    def prepare():
        second = LanguageModel.objects.create(provider=chat.model.provider, name="model-2")
        LanguageModel.objects.filter(pk=chat.model.pk).update(next_model=second)

    await chat.runtime.database(prepare)


def failing_for_the_first(upstream, play):
    async def choose(answer):
        await (play if answer.body["model"] == "model-1" else upstream.say_hello)(answer)

    return choose


@pytest.mark.usefixtures("second_model")
async def test_the_next_model_answers_where_the_first_gives_up(chat, upstream):
    upstream.play = failing_for_the_first(upstream, refusing(upstream, 503, BUSY))
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert [event["model"] for event in only(events, "step.started")] == ["fake/model-1", "fake/model-2"]
    assert (await chat.answer(started)).model == "fake/model-2"
    assert (await chat.row(started.run)).model_name == "fake/model-2"
    assert [(call.model, call.attempt, call.outcome) for call in await chat.calls()] == [
        ("model-1", 1, "provider_overloaded"),
        ("model-1", 2, "provider_overloaded"),
        ("model-1", 3, "provider_overloaded"),
        ("model-2", 4, "completed"),
    ]


@pytest.mark.usefixtures("second_model")
@pytest.mark.parametrize("refuse", [True, False])
async def test_no_other_model_goes_on_with_what_was_shown_or_refused_for_good(chat, upstream, refuse):
    first = refusing(upstream, 400, BUSY) if refuse else saying("shown")
    upstream.play = failing_for_the_first(upstream, first)
    started = await chat.ask("hello")
    assert (await chat.events(started.run))[-1]["status"] == "failed"
    assert {body["model"] for body in upstream.requests} == {"model-1"}
    assert (await chat.answer(started)).model == "fake/model-1"


@pytest.mark.usefixtures("second_model")
async def test_models_that_name_each_other_end(chat, upstream):
    def prepare():
        LanguageModel.objects.filter(name="model-2").update(next_model=chat.model)

    await chat.runtime.database(prepare)
    upstream.refuse(503, BUSY)
    started = await chat.ask("hello")
    assert (await chat.events(started.run))[-1]["error"]["code"] == "provider_overloaded"
    assert [body["model"] for body in upstream.requests] == ["model-1"] * 3 + ["model-2"] * 2


@pytest.mark.usefixtures("second_model")
async def test_the_next_model_is_not_given_the_signature_of_the_first(chat, upstream):
    upstream.play = failing_for_the_first(upstream, signing)
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    answer = await chat.answer(started)
    assert (events[-1]["status"], answer.model) == ("completed", "fake/model-2")
    assert answer.parts == [{"type": "text", "text": "Hello"}]


async def test_the_signature_of_a_broken_attempt_is_not_part_of_the_answer(chat, upstream):
    plays(upstream, signing, upstream.say_hello)
    started = await chat.ask("hello")
    await chat.events(started.run)
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "Hello"}]


async def signing(answer):
    """A thought that nobody can read, and no word after it."""
    detail = {"type": "reasoning.encrypted", "data": "sealed", "index": 0}
    delta = {"choices": [{"index": 0, "delta": {"reasoning_details": [detail]}}]}
    await answer.send(b"data: " + json.dumps(delta).encode() + b"\n\n")
    answer.cut()
