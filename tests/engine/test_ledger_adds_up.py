"""Whatever happens to a run, messages, runs, people and days add up to the ledger's rows in the end."""

import asyncio
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from chat.actions.conversations import delete_conversation
from chat.engine.recorder import CallRecord, save_calls_alone, save_ending
from chat.engine.run_proof import runs_that_differ
from chat.models import LanguageModel, Price, Run, UsageDay, User
from chat.models.base import new_id
from chat.tasks import prune
from chat.usage import proof
from chat.usage.ledger import columns_of, write_calls
from tests.beside import locked
from tests.engine.orphans import half_done
from tests.engine.plays import BUSY, plays, refusing, saying

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def price(chat):
    await chat.runtime.database(
        lambda: Price.objects.create(model=chat.model, input=Decimal(2), output=Decimal(8))
    )


async def differences(chat):
    def find():
        with proof.one_moment():
            return [
                *proof.days_that_differ(),
                *proof.people_that_differ(),
                *proof.costs_that_differ(),
                *proof.left_open(),
                *runs_that_differ(),
            ]

    return await chat.runtime.database(find)


async def counted(chat):
    """Calls in the daily sums."""
    return await chat.runtime.database(lambda: sum(UsageDay.objects.values_list("calls", flat=True)))


async def say_and_wait(answer):
    await answer.say("as far as ", "this")
    await answer.wait_for_hang_up()


async def test_after_a_whole_answer(chat):
    started = await chat.ask("hello")
    await chat.events(started.run)
    assert await differences(chat) == []
    assert await counted(chat) == 1


async def test_after_a_stop(chat, upstream):
    upstream.play = say_and_wait
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    await chat.runtime.saver.save()
    await chat.stop(started)
    await chat.events(started.run)
    assert await differences(chat) == []
    assert (await chat.row(started.run)).usage["source"] == "estimated"


async def test_after_retries(chat, upstream):
    plays(upstream, refusing(upstream, 503, BUSY), saying("Hel"), upstream.say_hello)
    started = await chat.ask("hello")
    await chat.events(started.run)
    assert await differences(chat) == []
    assert await counted(chat) == 3


async def test_where_no_attempt_succeeds(chat, upstream):
    plays(upstream, saying("short"), refusing(upstream, 503, BUSY))
    started = await chat.ask("hello")
    assert (await chat.events(started.run))[-1]["status"] == "failed"
    assert await differences(chat) == []


async def test_where_another_model_answers(chat, upstream):
    def prepare():
        second = LanguageModel.objects.create(provider=chat.model.provider, name="model-2")
        Price.objects.create(model=second, input=Decimal(1), output=Decimal(3), currency="EUR")
        LanguageModel.objects.filter(pk=chat.model.pk).update(next_model=second)

    await chat.runtime.database(prepare)
    first = refusing(upstream, 503, BUSY)

    async def choose(answer):
        await (upstream.say_hello if answer.body["model"] == "model-2" else first)(answer)

    upstream.play = choose
    started = await chat.ask("hello")
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    assert await differences(chat) == []


async def test_where_the_database_was_away_at_the_end(chat, upstream):
    go_on = asyncio.Event()

    async def play(answer):
        await answer.say("Hel")
        await go_on.wait()
        await answer.say("lo")
        await answer.end()

    upstream.play = play
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    with locked("chat_run", "chat_modelcall"):
        go_on.set()
        await asyncio.sleep(0.5)
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    assert await differences(chat) == []
    assert await counted(chat) == 1


async def test_where_the_line_broke_at_the_commit_of_the_end(chat, monkeypatch):
    endings = []

    def twice(ending, **told):
        endings.append(ending)
        save_ending(ending, **told)
        save_ending(ending, **told)

    monkeypatch.setattr("chat.engine.recorder.save_ending", twice)
    started = await chat.ask("hello")
    await chat.events(started.run)
    assert len(endings) == 1
    assert await differences(chat) == []
    assert await counted(chat) == 1


async def test_where_the_run_itself_broke(chat, upstream, monkeypatch):
    """It has asked, and noted that; then something of ours fails, and it cannot be counted."""

    def fail(*_args, **_more):
        raise RuntimeError("a bug of ours")

    upstream.play = say_and_wait
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    await chat.runtime.saver.save()
    monkeypatch.setattr("chat.engine.run.close_books", fail)
    await chat.stop(started)
    assert (await chat.events(started.run))[-1]["status"] == "failed"
    assert await differences(chat) == []
    assert [call.outcome for call in await chat.calls()] == ["lost"]


async def test_after_its_conversation_and_its_user_were_deleted(chat, upstream):
    upstream.play = say_and_wait
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    conversation = uuid.UUID(started.conversation)
    await chat.runtime.database(delete_conversation, chat.user, conversation, chat.runtime)
    await chat.events(started.run)
    async with asyncio.timeout(10):
        while not await counted(chat):
            await asyncio.sleep(0.02)
    await chat.runtime.database(User.objects.all().delete)
    assert await differences(chat) == []
    assert await counted(chat) == 1


# --- processes that die, or were only asleep --------------------------------------------------------------


@pytest.fixture
async def alone(chat):
    """Nobody takes runs over but the test."""
    await chat.runtime.reaper.stop()
    return chat


def noted(run, **columns):
    """A call that the process that died had noted."""
    return {
        "id": new_id(),
        "user_id": run.user_id,
        "pseudonym": run.user.pseudonym,
        "conversation_id": run.conversation_id,
        "run_id": run.pk,
        "step": 1,
        "epoch": 1,
        "attempt": 1,
        "provider": "fake",
        "model": "model-1",
        "started_at": timezone.now() - timedelta(seconds=5),
        "outcome": "running",
        "price": {"input": "2", "output": "8", "currency": "USD"},
        **columns,
    }


@pytest.mark.parametrize("shown", ["", "Hello, wor"])
@pytest.mark.parametrize("outcomes", [(), ("running",), ("provider_cut", "running")])
async def test_after_its_process_was_killed(alone, shown, outcomes):
    def die():
        started = half_done(alone, shown)
        run = Run.objects.select_related("user").get(pk=started.run)
        write_calls(noted(run, attempt=n, outcome=outcome) for n, outcome in enumerate(outcomes, 1))
        return started

    started = await alone.runtime.database(die)
    assert await alone.runtime.supervisor.rescue() == 1
    await alone.events(started.run)
    assert await differences(alone) == []


async def test_where_it_cannot_be_gone_on_with(alone):
    def die():
        started = half_done(alone, "Hello, wor")
        run = Run.objects.select_related("user").get(pk=started.run)
        done = {"outcome": "completed", "usage_source": "reported", "input_tokens": 10, "output_tokens": 5}
        write_calls([noted(run, step=1, **done, cost=Decimal("0.00006"), currency="USD"), noted(run, step=2)])
        LanguageModel.objects.all().delete()
        return started

    started = await alone.runtime.database(die)
    await alone.runtime.supervisor.rescue()
    run = await alone.row(started.run)
    assert (run.status, run.cost) == ("failed", Decimal("0.00006"))
    assert await differences(alone) == []


@pytest.mark.parametrize("known", [True, False])
async def test_where_the_process_was_only_asleep_and_reports_in_the_end(alone, known):
    """Its call was thought lost, and billed by an estimate, in the row that it had noted or in one of the rescuer's."""

    def fall_asleep():
        started = half_done(alone, "Hello, wor")
        run = Run.objects.select_related("user").get(pk=started.run)
        row = noted(run)
        if known:
            write_calls([row])
        return started, row

    started, row = await alone.runtime.database(fall_asleep)
    assert await alone.runtime.supervisor.rescue() == 1
    await alone.events(started.run)
    said = {"outcome": "completed", "usage_source": "reported", "input_tokens": 1000, "output_tokens": 500}
    late = CallRecord(row | said | {"cost": Decimal("0.006"), "currency": "USD"})
    await alone.runtime.database(save_calls_alone, [late])
    assert await differences(alone) == []
    assert [call.input_tokens for call in await alone.calls() if call.epoch == 1] == [1000]
    assert (await alone.row(started.run)).usage["input_tokens"] > 1000


async def test_where_it_reports_while_the_run_is_made_again(alone, upstream):
    go_on = asyncio.Event()

    async def play(answer):
        await go_on.wait()
        await upstream.say_hello(answer)

    def fall_asleep():
        started = half_done(alone, "Hello, wor")
        run = Run.objects.select_related("user").get(pk=started.run)
        row = noted(run)
        write_calls([row])
        return started, row

    upstream.play = play
    started, row = await alone.runtime.database(fall_asleep)
    assert await alone.runtime.supervisor.rescue() == 1
    said = {"outcome": "completed", "usage_source": "reported", "input_tokens": 1000, "output_tokens": 500}
    late = CallRecord(row | said | {"cost": Decimal("0.006"), "currency": "USD"})
    await alone.runtime.database(save_calls_alone, [late])
    go_on.set()
    await alone.events(started.run)
    assert await differences(alone) == []


async def test_a_call_whose_run_and_process_are_both_gone_is_closed_by_the_hourly_pass(alone):
    def leave():
        started = half_done(alone, "")
        run = Run.objects.select_related("user").get(pk=started.run)
        old, new = noted(run, started_at=timezone.now() - timedelta(hours=2)), noted(run, attempt=2)
        write_calls([old, new])
        run.conversation.delete()
        return old["id"], new["id"]

    old, new = await alone.runtime.database(leave)
    assert (await alone.runtime.database(prune))["forgotten_calls"] == 1
    assert {call.pk: call.outcome for call in await alone.calls()} == {old: "lost", new: "running"}
    assert await differences(alone) == []


# --- estimates --------------------------------------------------------------------------------------------


async def test_an_estimate_goes_by_what_the_model_has_reported_and_the_row_says_so(chat, upstream):
    def learn():
        LanguageModel.objects.update(input_ratio=Decimal("1.5"), output_ratio=Decimal(2))

    await chat.runtime.database(learn)
    chat.runtime.offers.forget(chat.model.pk)
    upstream.play = say_and_wait
    started = await chat.ask("hello, you there!")
    await chat.events(started.run, until="text.delta")
    await asyncio.sleep(0.1)
    await chat.stop(started)
    await chat.events(started.run)
    [call] = await chat.calls()
    ruled = call.estimate
    assert (ruled["rule"], ruled["input_ratio"], ruled["output_ratio"]) == ("characters-2", 1.5, 2.0)
    assert call.output_tokens == 2 * ruled["output"] > 0
    assert call.input_tokens == -(-ruled["input"] * 3 // 2)


async def test_what_was_reported_is_kept_beside_what_the_rule_says(chat):
    started = await chat.ask("hello")
    await chat.events(started.run)
    [call] = await chat.calls()
    assert call.usage_source == "reported"
    assert call.estimate["rule"] == "characters-2"
    assert "input_ratio" not in call.estimate
    assert columns_of(call)["estimate"] == call.estimate
