"""Runs under quotas: what is set aside for them, who is refused, and what becomes of it when they end or die."""

import asyncio
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

import chat.tasks  # noqa: F401  (what is sent has to be registered in this process)
from chat.engine.reserving import reserve_start
from chat.exceptions import BudgetExceeded, QuotaExceeded
from chat.models import Conversation, Message, Quota, QuotaUse, Reservation, Run
from chat.usage.known_quotas import KNOWN
from tests.engine.orphans import half_done
from tests.engine.tool_plays import asks_for, plays
from tests.factories import PriceFactory

pytestmark = pytest.mark.django_db(transaction=True)

USED = 13
"""Tokens that the provider reports of an answer."""


@pytest.fixture
def limited(chat):
    """Makes a quota."""

    async def make(**columns):
        await chat.runtime.database(
            lambda: Quota.objects.create(name=uuid.uuid4().hex, currency="USD", **columns)
        )
        KNOWN.forget()

    return make


@pytest.fixture
def taken(chat):
    """What is used and set aside now."""
    return lambda: chat.runtime.database(
        lambda: QuotaUse.objects.values_list("used", "assumed", "reserved").get()
    )


async def test_what_an_answer_has_not_used_is_free_when_it_has_ended(chat, limited, taken):
    await limited(tokens_per_day=10_000)

    async def play(answer):
        await answer.say("Hello")
        assert (await taken())[2] > 4096
        await answer.end()

    chat.upstream.play = play
    await chat.events((await chat.ask()).run)
    assert await taken() == (USED, 0, 0)


async def test_who_is_refused_has_stored_nothing(chat, limited):
    await limited(tokens_per_day=100)
    with pytest.raises(QuotaExceeded, match="100 tokens a day"):
        await chat.ask()
    assert await chat.runtime.database(Conversation.objects.count) == 0
    assert await chat.runtime.database(Message.objects.count) == 0
    assert await chat.runtime.database(Reservation.objects.count) == 0


async def test_money_is_set_aside_at_the_models_price(chat, limited):
    await chat.runtime.database(
        lambda: PriceFactory.create(model=chat.model, input=Decimal(2), output=Decimal(8), currency="USD")
    )
    chat.runtime.offers.forget(chat.model.pk)
    await limited(money_per_day=Decimal("0.05"))
    await chat.events((await chat.ask()).run)
    row = await chat.runtime.database(Reservation.objects.get)
    assert row.output_tokens == 4096
    assert row.cost == (row.input_tokens * 2 + 4096 * 8) / Decimal(1_000_000)
    await chat.runtime.database(lambda: Quota.objects.update(money_per_day=Decimal("0.0300")))
    KNOWN.forget()
    with pytest.raises(BudgetExceeded, match="USD a day"):
        await chat.ask()


async def test_the_same_key_twice_is_one_message(chat, limited):
    await limited(messages_per_minute=1)
    key = uuid.uuid4()
    first = await chat.ask(key=key)
    assert (await chat.ask(key=key)).run == first.run
    with pytest.raises(QuotaExceeded, match="1 message a minute"):
        await chat.ask()


async def test_each_step_is_set_aside_for_and_settled(chat, limited, taken, worker):
    await limited(tokens_per_day=20_000)
    plays(chat.upstream, asks_for(("calculate", '{"expression": "6*7"}')))
    events = await chat.events((await chat.ask()).run)
    assert events[-1]["status"] == "completed"
    rows = await chat.runtime.database(
        lambda: list(Reservation.objects.order_by("step").values_list("step", "state"))
    )
    assert rows == [(1, "settled"), (2, "settled")]
    assert await taken() == (2 * USED, 0, 0)


async def test_a_run_that_would_pass_it_in_the_middle_stops_at_a_steps_end_and_can_go_on_later(
    chat, limited, taken, worker
):
    await limited(tokens_per_day=20_000)

    async def play(answer):
        # Others have used the rest meanwhile.
        await chat.runtime.database(lambda: Quota.objects.update(tokens_per_day=6000))
        await chat.runtime.database(lambda: QuotaUse.objects.update(used=2000))
        KNOWN.forget()
        await asks_for(("calculate", '{"expression": "6*7"}'), text="I reckon. ")(answer)

    plays(chat.upstream, play)
    started = await chat.ask()
    events = await chat.events(started.run)
    assert events[-1]["status"] == "limit_reached"
    assert events[-1]["error"]["code"] == "quota_exceeded"
    assert "6,000 tokens a day" in events[-1]["error"]["message"]
    assert events[-1]["error"]["resets_at"].endswith("T00:00:00+00:00")
    parts = (await chat.answer(started)).parts
    assert [part["type"] for part in parts] == ["text", "tool_call", "tool_result"]
    assert await taken() == (2000 + USED, 0, 0)

    await chat.runtime.database(lambda: QuotaUse.objects.update(used=0))
    more = await chat.ask(
        None, conversation=uuid.UUID(started.conversation), parent=uuid.UUID(started.runs[0].message)
    )
    assert (await chat.events(more.run))[-1]["status"] == "completed"


async def test_what_a_killed_process_had_set_aside_is_back_when_its_run_is_taken_over(chat, limited, taken):
    await limited(tokens_per_day=20_000)
    await chat.runtime.reaper.stop()
    started = await chat.runtime.database(half_done, chat, "Hello, wor")
    assert (await taken())[2] > 4096
    assert await chat.runtime.supervisor.rescue() == 1
    await chat.events(started.run)
    used, assumed, reserved = await taken()
    calls = await chat.calls()
    assert used == sum(call.input_tokens + call.output_tokens for call in calls)
    assert (assumed, reserved) == (0, 0)


async def test_a_run_that_is_taken_over_and_may_not_go_on_keeps_what_it_had(chat, limited, taken):
    await limited(tokens_per_day=20_000)
    await chat.runtime.reaper.stop()
    started = await chat.runtime.database(half_done, chat, "Hello, wor")
    await chat.runtime.database(lambda: Quota.objects.update(tokens_per_day=10))
    KNOWN.forget()
    await chat.runtime.supervisor.rescue()
    events = await chat.events(started.run)
    assert (events[-1]["status"], events[-1]["error"]["code"]) == ("limit_reached", "quota_exceeded")
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "Hello, wor"}]
    assert (await taken())[2] == 0


async def test_a_run_that_is_stopped_gives_back(chat, limited, taken):
    await limited(tokens_per_day=20_000)
    shown = asyncio.Event()

    async def play(answer):
        await answer.say("Hello")
        shown.set()
        await answer.wait_for_hang_up()

    chat.upstream.play = play
    started = await chat.ask()
    await shown.wait()
    await chat.stop(started)
    await chat.events(started.run)
    assert (await taken())[2] == 0


async def test_a_run_that_is_deleted_gives_back(chat, limited, taken):
    await limited(tokens_per_day=20_000)

    async def play(answer):
        await answer.say("Hello")
        await chat.runtime.database(lambda: Run.objects.all().delete())
        await answer.wait_for_hang_up()

    chat.upstream.play = play
    await chat.events((await chat.ask()).run)
    async with asyncio.timeout(10):
        while (await taken())[2]:
            await asyncio.sleep(0.05)


async def test_of_a_race_just_as_many_run_as_can_be_paid(chat, limited, taken):
    await limited(tokens_per_day=10**9)

    async def play(answer):
        await answer.say("Hello")
        await answer.wait_for_hang_up()

    chat.upstream.play = play
    first = await chat.ask()
    each = (await taken())[2]
    await chat.runtime.database(lambda: Quota.objects.update(tokens_per_day=5 * each))
    KNOWN.forget()
    replies = await asyncio.gather(*(chat.ask() for _ in range(20)), return_exceptions=True)
    started = [first, *(reply for reply in replies if not isinstance(reply, BaseException))]
    assert len(started) == 5
    assert {type(reply) for reply in replies if isinstance(reply, BaseException)} == {QuotaExceeded}
    assert await taken() == (0, 0, 5 * each)
    for one in started:
        await chat.stop(one)
        await chat.events(one.run)
    assert (await taken())[2] == 0


async def test_there_is_no_other_attempt_where_the_failed_one_has_used_what_was_left(chat, limited, taken):
    await limited(tokens_per_day=20_000)
    asked = []

    async def play(answer):
        asked.append(answer)
        if len(asked) > 1:
            await answer.wait_for_hang_up()
            return
        reserved = (await taken())[2]
        await chat.runtime.database(lambda: Quota.objects.update(tokens_per_day=reserved))
        KNOWN.forget()
        await answer.say("Hello, this is a part of it.")
        answer.cut()

    chat.upstream.play = play
    started = await chat.ask()
    events = await chat.events(started.run)
    assert (events[-1]["status"], events[-1]["error"]["code"]) == ("limit_reached", "quota_exceeded")
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "Hello, this is a part of it."}]
    used, _, reserved = await taken()
    assert used > 0
    assert reserved == 0


@pytest.mark.django_db
def test_where_no_quota_is_set_a_start_estimates_nothing():
    unreadable: Any = object()
    reserve_start([unreadable], now=timezone.now())
