"""What reaches the database, in whatever order threads, failures and deletions come."""

import asyncio
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from chat.actions.conversations import delete_conversation
from chat.engine.database import DatabaseThreads
from chat.engine.recorder import Partial, save_partials
from chat.engine.saver import PartialSaver
from chat.events.fold import StepState
from chat.exceptions import StorageUnavailable
from chat.models import Conversation, Message, ModelCall, Price, Run
from tests.beside import another_program, locked

pytestmark = pytest.mark.django_db(transaction=True)


async def say_and_wait(answer):
    await answer.say("half ", "an answer")
    await answer.wait_for_hang_up()


async def test_a_partial_that_comes_after_the_end_changes_nothing(chat):
    started = await chat.ask("hello")
    await chat.events(started.run)
    ended = await chat.row(started.run)
    late = Partial(
        started.run, 1, started.runs[0].message, 3, [StepState(1, False, [{"type": "text", "text": "Hel"}])]
    )
    await chat.runtime.database(save_partials, [late])
    assert (await chat.answer(started)).text == "Hello"
    run = await chat.row(started.run)
    assert (run.status, run.last_seq) == ("completed", ended.last_seq)
    assert run.steps[0]["finished"] is True


async def test_the_end_is_in_the_database_when_the_last_event_is_told(chat):
    """The reader is woken from within the telling, and looks past Django."""
    go_on = asyncio.Event()
    seen = []

    async def play(answer):
        await answer.say("x")
        await go_on.wait()
        await answer.end()

    def look():
        entries = feed.take(100)
        if any('"run.finished"' in made.frame for made in entries):
            with another_program() as other:
                seen.extend(other.execute("SELECT status FROM chat_run").fetchall())

    chat.upstream.play = play
    started = await chat.ask("hello")
    feed = chat.runtime.log.follow(started.run, None, look)
    go_on.set()
    await chat.events(started.run)
    assert seen == [("completed",)]


async def test_text_that_could_not_be_saved_is_saved_at_the_next_round(chat, upstream):
    upstream.play = say_and_wait
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    engine = chat.runtime.supervisor._engines[started.run]
    away, here = PartialSaver(Away(), each_seconds=1), PartialSaver(chat.runtime.database, each_seconds=1)
    for saver in (away, here):
        saver.watch(started.run, engine)
        await saver.save()
    assert (await chat.answer(started)).text.startswith("half ")
    await chat.stop(started)
    await chat.events(started.run)


class Away(DatabaseThreads):
    """A database that does not answer."""

    async def __call__(self, function, *args, **kwargs):
        raise StorageUnavailable


async def test_a_stop_whose_hint_got_lost_is_found_in_the_row(chat, upstream):
    upstream.play = say_and_wait
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    asked_at = timezone.now() - timedelta(seconds=1)
    await chat.runtime.database(Run.objects.filter(pk=started.run).update, stop_requested_at=asked_at)
    end = (await chat.events(started.run))[-1]
    assert end["status"] == "stopped"
    assert end["stop_receipt"]["requested_at"] == asked_at.isoformat()


async def test_deleting_a_conversation_stops_its_answer_and_keeps_the_ledger(chat, upstream):
    upstream.play = say_and_wait
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    conversation = uuid.UUID(started.conversation)
    await chat.runtime.database(delete_conversation, chat.user, conversation, chat.runtime)
    async with asyncio.timeout(10):
        while not await chat.runtime.database(ModelCall.objects.count):
            await asyncio.sleep(0.02)
    call = await chat.runtime.database(ModelCall.objects.get)
    assert (call.run_id, call.conversation_id, call.user_id) == (None, None, chat.user.pk)
    assert call.output_tokens > 0
    assert upstream.closed_at
    assert not await chat.runtime.database(Message.objects.exists)


async def test_viewers_of_a_deleted_conversation_are_told_that_it_is_over(chat, upstream):
    upstream.play = say_and_wait
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    await chat.runtime.database(delete_conversation, chat.user, uuid.UUID(started.conversation), chat.runtime)
    assert (await chat.events(started.run))[-1]["status"] == "stopped"


async def test_a_conversation_that_vanishes_ends_its_answer_upstream_too(chat, upstream):
    upstream.play = say_and_wait
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    await chat.runtime.database(Conversation.objects.all().delete)
    assert (await chat.events(started.run))[-1]["status"] == "stopped"
    assert upstream.closed_at


async def test_an_end_that_cannot_be_stored_is_stored_later(chat, upstream):
    """Another program holds a lock; the answer is told when it is safe."""
    go_on = asyncio.Event()

    async def play(answer):
        await answer.say("x")
        await go_on.wait()
        await answer.end()

    upstream.play = play
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    with locked("chat_run"):
        go_on.set()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(chat.events(started.run), timeout=3)
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    assert (await chat.answer(started)).text == "x"


async def test_a_place_in_line_is_not_told_while_the_end_is_stored(chat, upstream):
    """News of a place wait up to a second; the lock is held for longer."""
    await chat.provider(calls_per_user=1)
    upstream.play = say_and_wait
    first = await chat.ask("one")
    await chat.events(first.run, until="text.delta")
    second, third = await chat.ask("two"), await chat.ask("three")
    await chat.events(third.run, until="run.waiting")
    supervisor, now = chat.runtime.supervisor, timezone.now()
    with locked("chat_run"):
        supervisor.stop(second.run, now)
        await asyncio.sleep(0.1)
        supervisor.stop(third.run, now)
        await asyncio.sleep(1.2)
    events = await chat.events(third.run)
    assert [event["place"] for event in events if event["type"] == "run.waiting"] == [2]
    assert (await chat.row(third.run)).last_seq == len(events)
    supervisor.stop(first.run, now)
    await chat.events(first.run)


@pytest.mark.parametrize("tokens", [2**31, 10**18, -5, "many", None])
async def test_absurd_usage_is_not_believed(chat, upstream, tokens):
    await chat.runtime.database(
        Price.objects.create, model=chat.model, input=Decimal(2), output=Decimal(8), currency="USD"
    )

    async def play(answer):
        await answer.say("x")
        await answer.end(prompt=tokens, completion=tokens)

    upstream.play = play
    started = await chat.ask("hello")
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    run = await chat.row(started.run)
    assert run.cost is None or run.cost < 1
