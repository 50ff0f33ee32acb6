"""What the guard does around a run's model call, seen by those who look at the run."""

import asyncio
import json
import time
from datetime import datetime
from decimal import Decimal

import pytest

from chat.events.codec import decode_event
from chat.events.fold import RunState
from chat.models import LanguageModel, Price
from tests.fakes.upstream import DONE, chunk

pytestmark = pytest.mark.django_db(transaction=True)

BUSY = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
BROKE = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}


def types_of(events):
    return [event["type"] for event in events]


def only(events, kind):
    return [event for event in events if event["type"] == kind]


def plays(upstream, *each):
    """The attempts in their order; the last one for all that follow."""
    left = list(each)

    async def play(answer):
        await (left.pop(0) if len(left) > 1 else left[0])(answer)

    upstream.play = play


def refusing(upstream, status, body, **headers):
    upstream.refuse(status, body, **headers)
    return upstream.play


def saying(text, *, whole=False):
    async def play(answer):
        await answer.say(text)
        if whole:
            await answer.end()
        else:
            answer.cut()

    return play


@pytest.fixture
def longest_waits(chat):
    """Chance chooses the longest wait."""
    chat.runtime.safeguards._uniform = lambda _least, most: most


async def test_a_refused_call_is_made_again_and_nobody_is_told_to_forget(chat, upstream):
    plays(upstream, refusing(upstream, 503, BUSY), upstream.say_hello)
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert only(events, "step.reset") == []
    [retrying] = only(events, "run.retrying")
    assert (retrying["attempt"], retrying["reason"]) == (2, "provider_overloaded")
    assert (await chat.answer(started)).text == "Hello"


async def test_what_a_broken_attempt_has_shown_is_forgotten_first_and_never_doubled(chat, upstream):
    plays(upstream, saying("Hel"), upstream.say_hello)
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    told = [kind for kind in types_of(events) if kind in ("step.reset", "run.retrying")]
    assert told == ["step.reset", "run.retrying"]
    assert events[-1]["status"] == "completed"
    state = RunState()
    for event in events:
        state.apply(decode_event(json.dumps(event)))
    assert state.parts == [{"type": "text", "text": "Hello"}]
    assert (await chat.answer(started)).parts == state.parts


async def test_the_longest_attempt_stays_where_the_last_one_fails(chat, upstream):
    plays(upstream, saying("short"), saying("the longest of all"), saying("in between"))
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    assert (events[-1]["status"], events[-1]["error"]["code"]) == ("failed", "provider_cut")
    assert len(upstream.requests) == 3
    assert (await chat.answer(started)).text == "the longest of all"
    state = only(events, "run.snapshot")[-1]["state"]
    assert state["steps"][0]["parts"] == [{"type": "text", "text": "the longest of all"}]


async def test_a_whole_answer_counts_although_a_broken_one_was_longer(chat, upstream):
    plays(upstream, saying("much longer than the answer"), saying("whole", whole=True))
    started = await chat.ask("hello")
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    assert (await chat.answer(started)).text == "whole"


async def test_stop_ends_a_wait_between_attempts_at_once_and_keeps_the_text(chat, upstream, longest_waits):
    await chat.provider(retry_base_seconds=20)
    plays(upstream, saying("as far as this"))
    started = await chat.ask("hello")
    await chat.events(started.run, until="run.retrying")
    began = time.monotonic()
    await chat.stop(started)
    events = await chat.events(started.run)
    assert time.monotonic() - began < 5
    assert events[-1]["status"] == "stopped"
    assert events[-1]["stop_receipt"]["upstream_closed_at"] is None
    assert (await chat.answer(started)).text == "as far as this"
    assert [call.outcome for call in await chat.calls()] == ["provider_cut"]


async def test_text_that_viewers_forget_for_now_is_in_the_database(chat, upstream, longest_waits):
    await chat.provider(retry_base_seconds=20)
    plays(upstream, saying("kept"))
    started = await chat.ask("hello")
    await chat.events(started.run, until="run.retrying")
    await chat.runtime.saver.save()
    assert (await chat.answer(started)).text == "kept"
    assert (await chat.row(started.run)).last_seq == 3
    await chat.stop(started)
    await chat.events(started.run)


@pytest.mark.parametrize(("status", "body"), [(429, BROKE), (402, BUSY), (400, BUSY), (404, BUSY), (401, {})])
async def test_what_waiting_does_not_mend_is_asked_once(chat, upstream, status, body):
    upstream.refuse(status, body)
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    assert events[-1]["status"] == "failed"
    assert len(upstream.requests) == 1
    assert only(events, "run.retrying") == []


async def test_the_providers_own_word_for_the_wait_is_kept(chat, upstream):
    plays(upstream, refusing(upstream, 429, BUSY, **{"retry-after-ms": "150"}), upstream.say_hello)
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert only(events, "run.retrying")[0]["wait_ms"] >= 150
    first, second = await chat.calls()
    assert (second.started_at - first.started_at).total_seconds() >= 0.15


async def test_a_provider_that_wants_an_hour_is_not_asked_again(chat, upstream):
    upstream.refuse(429, BUSY, **{"retry-after": "3600"})
    started = await chat.ask("hello")
    error = (await chat.events(started.run))[-1]["error"]
    assert (error["code"], error["retry_after_seconds"]) == ("provider_overloaded", 3600)
    assert len(upstream.requests) == 1


async def test_all_attempts_together_have_one_deadline(chat, upstream):
    await chat.provider(total_seconds=0.4)

    async def play(answer):
        await answer.say("a")
        await answer.wait_for_hang_up()

    upstream.play = play
    started = await chat.ask("hello")
    error = (await chat.events(started.run))[-1]["error"]
    assert (error["code"], error["phase"]) == ("provider_timeout", "total")
    assert len(upstream.requests) == 1


# --- what models refuse -------------------------------------------------------------------------------


async def test_a_refused_field_is_left_out_at_once_and_from_then_on(chat, upstream):
    async def play(answer):
        if "temperature" in answer.body:
            message = "Unsupported parameter: 'temperature' is not supported with this model."
            await refusing(upstream, 400, {"error": {"message": message, "param": "temperature"}})(answer)
            upstream.play = play
        else:
            await upstream.say_hello(answer)

    upstream.play = play
    started = await chat.ask("hello", options={"temperature": 0.5})
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert only(events, "run.retrying") == []
    assert ["temperature" in body for body in upstream.requests] == [True, False]
    async with asyncio.timeout(5):
        while not (await chat.runtime.database(LanguageModel.objects.get)).capabilities:
            await asyncio.sleep(0.01)
    assert (await chat.runtime.database(LanguageModel.objects.get)).capabilities == ["no_temperature"]
    again = await chat.ask("hello", options={"temperature": 0.5})
    await chat.events(again.run)
    assert "temperature" not in upstream.requests[-1]
    assert len(upstream.requests) == 3


async def test_a_field_that_is_refused_although_it_is_left_out_ends_the_run(chat, upstream):
    message = "Unsupported parameter: 'temperature' is not supported with this model."
    upstream.refuse(400, {"error": {"message": message, "param": "temperature"}})
    started = await chat.ask("hello", options={"temperature": 0.5})
    assert (await chat.events(started.run))[-1]["error"]["code"] == "provider_rejected"
    assert len(upstream.requests) == 2


# --- the ledger ---------------------------------------------------------------------------------------


async def test_every_attempt_has_its_row_and_the_run_has_their_sum(chat, upstream):
    await chat.runtime.database(
        Price.objects.create, model=chat.model, input=Decimal(2), output=Decimal(8), currency="EUR"
    )
    plays(upstream, refusing(upstream, 503, BUSY), saying("Hel"), upstream.say_hello)
    started = await chat.ask("hello")
    end = (await chat.events(started.run))[-1]
    calls = await chat.calls()
    assert [(call.attempt, call.outcome, call.usage_source) for call in calls] == [
        (1, "provider_overloaded", "unknown"),
        (2, "provider_cut", "estimated"),
        (3, "completed", "reported"),
    ]
    assert [call.http_status for call in calls] == [503, 200, 200]
    assert all(call.queue_ms is not None and call.duration_ms is not None for call in calls)
    assert end["usage"]["source"] == "estimated"
    assert end["usage"]["input_tokens"] == calls[1].input_tokens + 8
    assert end["usage"]["output_tokens"] == calls[1].output_tokens + 5
    assert Decimal(end["cost"]["amount"]) == calls[1].cost + calls[2].cost
    assert calls[0].cost is None
    assert (await chat.row(started.run)).cost == calls[1].cost + calls[2].cost


async def test_a_refusal_does_not_make_reported_usage_doubtful(chat, upstream):
    plays(upstream, refusing(upstream, 503, BUSY), upstream.say_hello)
    started = await chat.ask("hello")
    usage = (await chat.events(started.run))[-1]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["source"]) == (8, 5, "reported")


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
    assert (await chat.events(second.run))[-1]["status"] == "completed"
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


async def test_reasoning_that_is_counted_beside_the_output_is_billed_with_it(chat, upstream):
    figures = {
        "prompt_tokens": 291,
        "completion_tokens": 26,
        "total_tokens": 513,
        "completion_tokens_details": {"reasoning_tokens": 196},
    }

    async def play(answer):
        await answer.say("x")
        await answer.send(chunk(finish="stop") + chunk(usage=figures) + DONE)

    upstream.play = play
    end = (await chat.events((await chat.ask("hello")).run))[-1]
    assert (end["usage"]["output_tokens"], end["usage"]["reasoning_tokens"]) == (222, 196)
    assert (await chat.calls())[0].output_tokens == 222


async def test_a_conversation_too_long_for_the_model_is_said_so(chat, upstream):
    upstream.refuse(400, {"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}})
    end = (await chat.events((await chat.ask("hello")).run))[-1]
    assert (end["error"]["code"], end["error"]["retryable"]) == ("context_too_long", False)


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
