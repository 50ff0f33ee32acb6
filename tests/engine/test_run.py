"""One run from the question to its end, against a provider at the wire."""

import asyncio
import uuid
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from chat.exceptions import InvalidRequest, ModelNotAvailable, NotFound, TooLarge
from chat.models import Conversation, Message, ModelCall, Price, Run, User

pytestmark = pytest.mark.django_db(transaction=True)


def text_of(events):
    return "".join(event["text"] for event in events if event["type"] == "text.delta")


def types_of(events):
    return [event["type"] for event in events]


async def test_an_answer_is_told_numbered_and_stored(chat):
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    assert types_of(events) == [
        "run.started",
        "step.started",
        *["text.delta"] * (len(events) - 4),
        "step.finished",
        "run.finished",
    ]
    assert [event["cursor"] for event in events] == [f"1-{n}" for n in range(1, len(events) + 1)]
    assert text_of(events) == "Hello"
    assert events[-1]["status"] == "completed"
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "Hello"}]
    run = await chat.row(started.run)
    assert (run.status, run.last_seq) == ("completed", len(events))


async def test_the_provider_is_asked_with_its_key_and_the_question(chat, upstream):
    started = await chat.ask("What is a fold?")
    await chat.events(started.run)
    assert upstream.headers[0]["Authorization"] == "Bearer the-key"
    assert upstream.requests[0]["model"] == "model-1"
    assert upstream.requests[0]["messages"] == [{"role": "user", "content": "What is a fold?"}]


async def test_the_model_is_shown_what_was_said_before(chat, upstream):
    first = await chat.ask("one")
    await chat.events(first.run)
    second = await chat.ask("two", conversation=uuid.UUID(first.conversation))
    await chat.events(second.run)
    assert [m["content"] for m in upstream.requests[1]["messages"]] == ["one", "Hello", "two"]


async def test_the_ledger_has_a_row_with_tokens_price_and_cost(chat):
    await chat.runtime.database(
        Price.objects.create, model=chat.model, input=Decimal(2), output=Decimal(8), currency="EUR"
    )
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    call = await chat.runtime.database(ModelCall.objects.get)
    assert (call.input_tokens, call.output_tokens, call.usage_source) == (8, 5, "reported")
    assert call.cost == Decimal("0.000056")
    assert (call.outcome, call.http_status, call.request_id, call.upstream_id) == (
        "completed",
        200,
        "req-7",
        "chatcmpl-1",
    )
    assert Decimal(events[-1]["cost"]["amount"]) == call.cost
    assert events[-1]["cost"]["currency"] == "EUR"


async def test_partial_text_is_in_the_database_while_the_answer_runs(chat, upstream):
    go_on = asyncio.Event()

    async def play(answer):
        await answer.say("half an answer")
        await go_on.wait()
        await answer.end()

    upstream.play = play
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    # Ten times the second it is promised in, for machines that are busy.
    async with asyncio.timeout(10):
        while (await chat.answer(started)).parts == []:
            await asyncio.sleep(0.05)
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "half an answer"}]
    assert (await chat.row(started.run)).last_seq == 3
    go_on.set()
    await chat.events(started.run)


# --- stop ---------------------------------------------------------------------------------------------


async def say_and_wait(answer):
    await answer.say("as far as ", "this")
    await answer.wait_for_hang_up()


async def test_stop_closes_the_line_upstream_and_keeps_the_text(chat, upstream):
    upstream.play = say_and_wait
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    await chat.stop(started)
    events = await chat.events(started.run)
    async with asyncio.timeout(5):
        while not upstream.closed_at:
            await asyncio.sleep(0.005)
    assert events[-1]["status"] == "stopped"
    assert (await chat.answer(started)).parts == [{"type": "text", "text": text_of(events)}]
    assert text_of(events).startswith("as far as ")


async def test_stop_leaves_a_receipt(chat, upstream):
    upstream.play = say_and_wait
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    await chat.stop(started)
    receipt = (await chat.events(started.run))[-1]["stop_receipt"]
    asked_at, closed_at = (
        datetime.fromisoformat(receipt[key]) for key in ("requested_at", "upstream_closed_at")
    )
    assert timedelta(0) <= closed_at - asked_at < timedelta(milliseconds=100)
    assert receipt["usage_source"] == "estimated"
    call = await chat.runtime.database(ModelCall.objects.get)
    assert (call.outcome, call.usage_source) == ("stopped", "estimated")
    assert call.output_tokens > 0


async def test_stop_works_before_the_provider_has_said_anything(chat, upstream):
    async def play(answer):
        await answer.wait_for_hang_up()

    upstream.play = play
    started = await chat.ask("hello")
    async with asyncio.timeout(5):
        while not upstream.requests:
            await asyncio.sleep(0.005)
    await chat.stop(started)
    events = await chat.events(started.run)
    assert events[-1]["status"] == "stopped"
    assert text_of(events) == ""


async def test_stopping_an_ended_run_changes_nothing(chat):
    started = await chat.ask("hello")
    await chat.events(started.run)
    await chat.stop(started)
    assert (await chat.row(started.run)).status == "completed"


async def test_nobody_stops_somebody_elses_run(chat, upstream):
    upstream.play = say_and_wait
    started = await chat.ask("hello")
    chat.user = await chat.runtime.database(User.objects.create, username="mallory")
    with pytest.raises(NotFound):
        await chat.stop(started)
    assert (await chat.row(started.run)).stop_requested_at is None


# --- what providers do wrong --------------------------------------------------------------------------


async def test_a_cut_keeps_what_had_arrived_and_offers_a_retry(chat, upstream):
    async def play(answer):
        await answer.say("kept")
        answer.cut()

    upstream.play = play
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    assert events[-1]["status"] == "failed"
    assert events[-1]["error"]["code"] == "provider_cut"
    assert events[-1]["error"]["retryable"] is True
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "kept"}]


async def test_an_end_without_the_dialects_mark_is_a_cut(chat, upstream):
    async def play(answer):
        await answer.say("kept")

    upstream.play = play
    started = await chat.ask("hello")
    assert (await chat.events(started.run))[-1]["error"]["code"] == "provider_cut"


@pytest.mark.parametrize(
    ("status", "body", "code", "retryable"),
    [
        (401, {"error": {"message": "bad key", "code": "invalid_api_key"}}, "provider_auth", False),
        (400, {"error": {"message": "no", "type": "invalid_request_error"}}, "provider_rejected", False),
        (429, {"error": {"message": "slow", "code": "rate_limit_exceeded"}}, "provider_overloaded", True),
        (503, "<html>unavailable</html>", "provider_overloaded", True),
    ],
)
async def test_a_refusal_ends_in_one_typed_error(chat, upstream, status, body, code, retryable):
    upstream.refuse(status, body)
    started = await chat.ask("hello")
    error = (await chat.events(started.run))[-1]["error"]
    assert (error["code"], error["retryable"]) == (code, retryable)
    assert "html" not in error["message"]
    assert {(call.outcome, call.http_status) for call in await chat.calls()} == {(code, status)}


async def test_garbage_is_named(chat, upstream):
    async def play(answer):
        await answer.say("kept")
        await answer.send(b"data: {this is no JSON\n\n")

    upstream.play = play
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    assert events[-1]["error"]["code"] == "provider_garbage"
    assert (await chat.answer(started)).text == "kept"


async def test_a_provider_that_is_not_there_is_an_error_not_a_hang(chat):
    chat.model.provider.base_url = "http://127.0.0.1:1/v1"
    await chat.runtime.database(chat.model.provider.save)
    started = await chat.ask("hello")
    assert (await chat.events(started.run))[-1]["error"]["code"] == "provider_cut"


@pytest.mark.parametrize(
    ("column", "says", "phase"),
    [
        ("first_token_seconds", (), "first_token"),
        ("idle_seconds", ("a",), "idle"),
        ("total_seconds", ("a",), "total"),
    ],
)
async def test_a_silent_provider_is_noticed_although_no_byte_arrives(chat, upstream, column, says, phase):
    async def play(answer):
        await answer.send(b": I am here\n\n")
        await answer.say(*says)
        await answer.wait_for_hang_up()

    upstream.play = play
    setattr(chat.model.provider, column, 0.2)
    await chat.runtime.database(chat.model.provider.save)
    started = await chat.ask("hello")
    error = (await chat.events(started.run))[-1]["error"]
    assert (error["code"], error["phase"], error["retryable"]) == ("provider_timeout", phase, True)


async def test_a_whole_answer_on_a_line_that_stays_open_is_whole(chat, upstream):
    async def play(answer):
        await answer.say("whole")
        await answer.end()
        await answer.wait_for_hang_up()

    upstream.play = play
    started = await chat.ask("hello")
    assert (await chat.events(started.run))[-1]["status"] == "completed"


async def test_an_answer_that_ran_into_its_length_says_so(chat, upstream):
    async def play(answer):
        await answer.say("cut short by")
        await answer.end(finish="length")

    upstream.play = play
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    assert events[-1]["status"] == "limit_reached"
    assert events[-2]["finish_reason"] == "length"


async def test_an_answer_without_end_is_ended_at_a_million_characters(chat, upstream):
    async def play(answer):
        while True:
            await answer.say("x" * 50_000)

    upstream.play = play
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    assert events[-1]["status"] == "limit_reached"
    assert 1_000_000 <= len(text_of(events)) <= 1_200_000
    assert (await chat.answer(started)).text == text_of(events)


async def test_an_answer_in_one_piece_that_is_too_long_ends_as_one_that_reached_its_limit(chat, upstream):
    said = {"role": "assistant", "content": "x" * 1_000_001}
    upstream.refuse(200, {"choices": [{"index": 0, "message": said, "finish_reason": "stop"}]})
    started = await chat.ask("hello", options={"stream": False})
    assert (await chat.events(started.run))[-1]["status"] == "limit_reached"
    assert len((await chat.answer(started)).text) == 1_000_001


async def test_secrets_that_the_provider_repeats_are_not_logged(chat, upstream, caplog):
    await chat.provider(headers={"x-team": "team-7-alone"})
    upstream.refuse(400, {"error": {"message": "neither the-key nor team-7-alone is allowed here"}})
    started = await chat.ask("hello")
    await chat.events(started.run)
    assert "is allowed here" in caplog.text
    assert "the-key" not in caplog.text
    assert "team-7-alone" not in caplog.text


# --- starting -----------------------------------------------------------------------------------------


async def test_the_same_key_twice_gives_the_same_run(chat, upstream):
    key = uuid.uuid4()
    first = await chat.ask("hello", key=key)
    again = await chat.ask("hello", key=key)
    await chat.events(first.run)
    assert again == first
    assert len(upstream.requests) == 1


async def test_the_same_key_from_many_sockets_at_once_gives_one_run(chat, upstream):
    key = uuid.uuid4()
    started = await asyncio.gather(*(chat.ask("hello", key=key) for _ in range(8)))
    await chat.events(started[0].run)
    assert {one.run for one in started} == {started[0].run}
    assert await chat.runtime.database(Run.objects.count) == 1
    assert len(upstream.requests) == 1


async def test_another_answer_stands_beside_the_first(chat):
    first = await chat.ask("hello")
    await chat.events(first.run)
    again = await chat.ask(None, conversation=uuid.UUID(first.conversation), parent=uuid.UUID(first.message))
    await chat.events(again.run)
    question = await chat.runtime.database(Message.objects.get, pk=first.message)
    answers = await chat.runtime.database(
        lambda: list(question.children.order_by("id").values_list("pk", flat=True))
    )
    assert [str(key) for key in answers] == [first.runs[0].message, again.runs[0].message]
    assert str(question.chosen_child_id) == again.runs[0].message


async def test_an_ended_answer_is_continued_below_itself(chat, upstream):
    first = await chat.ask("hello")
    await chat.events(first.run)
    more = await chat.ask(
        None, conversation=uuid.UUID(first.conversation), parent=uuid.UUID(first.runs[0].message)
    )
    await chat.events(more.run)
    messages = upstream.requests[1]["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]
    assert "Continue" in messages[-1]["content"]


async def test_a_foreign_conversation_looks_like_none(chat):
    started = await chat.ask("hello")
    await chat.events(started.run)
    chat.user = await chat.runtime.database(User.objects.create, username="mallory")
    with pytest.raises(NotFound):
        await chat.ask("let me in", conversation=uuid.UUID(started.conversation))
    assert await chat.runtime.database(Conversation.objects.count) == 1


async def test_an_unknown_model_is_refused_before_anything_is_stored(chat):
    chat.model.name = "another"
    with pytest.raises(ModelNotAvailable):
        await chat.ask("hello")
    assert await chat.runtime.database(Conversation.objects.count) == 0


async def test_a_parent_without_its_conversation_is_refused(chat):
    with pytest.raises(InvalidRequest):
        await chat.ask("hello", parent=uuid.uuid4())


@pytest.mark.parametrize("text", ["", "   ", "\n"])
async def test_an_empty_message_is_refused(chat, text):
    with pytest.raises(InvalidRequest):
        await chat.ask(text)


async def test_a_message_of_more_than_128_kb_is_refused(chat):
    with pytest.raises(TooLarge):
        await chat.ask("x" * 131_073)


async def test_nul_and_lone_surrogates_never_reach_the_database(chat):
    started = await chat.ask("a\0b\ud83dc")
    await chat.events(started.run)
    question = await chat.runtime.database(Message.objects.get, pk=started.message)
    assert question.text == "a\ufffdb\ufffdc"
