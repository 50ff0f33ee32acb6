"""What the guard does around a run's model call, seen by those who look at the run."""

import asyncio
import json
import time
from decimal import Decimal

import pytest

from chat.events.codec import decode_event
from chat.events.fold import RunState
from chat.models import LanguageModel, Price
from tests.engine.plays import BROKE, BUSY, only, plays, refusing, saying
from tests.fakes.upstream import DONE, chunk

pytestmark = pytest.mark.django_db(transaction=True)


def types_of(events):
    return [event["type"] for event in events]


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
    [note] = only(events, "step.note")
    assert (note["kind"], note["option"], note["model"]) == ("option_dropped", "temperature", "fake/model-1")
    again = await chat.ask("hello", options={"temperature": 0.5})
    assert len(only(await chat.events(again.run), "step.note")) == 1
    assert "temperature" not in upstream.requests[-1]
    assert len(upstream.requests) == 3


async def test_what_a_model_thought_goes_back_to_it_and_to_no_other(chat, upstream):
    detail = {"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}

    async def play(answer):
        delta = {"reasoning": "hm", "reasoning_details": [detail]}
        await answer.send(
            b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"
        )
        await upstream.say_hello(answer)

    upstream.play = play
    started = await chat.ask("hello")
    await chat.events(started.run)
    parts = (await chat.answer(started)).parts
    assert [part["type"] for part in parts] == ["reasoning", "text"]
    again = await chat.ask("and?", conversation=started.conversation)
    await chat.events(again.run)
    assert upstream.requests[-1]["messages"][1]["reasoning_details"] == [detail]
    await chat.runtime.database(LanguageModel.objects.update, name="model-2")
    chat.runtime.offers.forget(chat.model.pk)
    chat.model.name = "model-2"
    other = await chat.ask("and you?", conversation=started.conversation)
    await chat.events(other.run)
    assert all("reasoning_details" not in message for message in upstream.requests[-1]["messages"])


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


async def test_an_attempt_is_in_the_ledger_while_the_next_one_is_waited_for(chat, upstream, longest_waits):
    await chat.provider(retry_base_seconds=20)
    plays(upstream, saying("as far as this"))
    started = await chat.ask("hello")
    await chat.events(started.run, until="run.retrying")
    async with asyncio.timeout(5):
        while not await chat.calls():
            await asyncio.sleep(0.01)
    [early] = await chat.calls()
    assert (early.attempt, early.outcome) == (1, "provider_cut")
    await chat.stop(started)
    await chat.events(started.run)
    assert [call.pk for call in await chat.calls()] == [early.pk]


async def test_a_call_is_in_the_ledger_while_it_is_under_way(chat, upstream):
    async def play(answer):
        await answer.wait_for_hang_up()

    upstream.play = play
    started = await chat.ask("hello")
    async with asyncio.timeout(5):
        while not upstream.requests:
            await asyncio.sleep(0.01)
    await chat.runtime.saver.save()
    [under_way] = await chat.calls()
    assert (under_way.outcome, under_way.usage_source) == ("running", "unknown")
    await chat.stop(started)
    await chat.events(started.run)
    [ended] = await chat.calls()
    assert (ended.pk, ended.outcome) == (under_way.pk, "stopped")


async def test_a_key_that_the_provider_repeats_is_not_in_the_ledger(chat, upstream):
    upstream.refuse(400, BUSY, **{"x-request-id": "for the-key"})
    started = await chat.ask("hello")
    await chat.events(started.run)
    assert "the-key" not in (await chat.calls())[0].request_id


async def test_a_refusal_does_not_make_reported_usage_doubtful(chat, upstream):
    plays(upstream, refusing(upstream, 503, BUSY), upstream.say_hello)
    started = await chat.ask("hello")
    usage = (await chat.events(started.run))[-1]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["source"]) == (8, 5, "reported")


async def test_an_answer_that_breaks_off_is_not_billed_by_what_stood_at_its_beginning(chat, upstream):
    async def play(answer):
        await answer.send(
            chunk("one two three four five six seven", usage={"prompt_tokens": 8, "completion_tokens": 1})
        )
        answer.cut()

    await chat.provider(attempts=1)
    upstream.play = play
    usage = (await chat.events((await chat.ask("hello")).run))[-1]["usage"]
    assert usage["source"] == "estimated"
    assert usage["input_tokens"] == 8
    assert usage["output_tokens"] > 5


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
