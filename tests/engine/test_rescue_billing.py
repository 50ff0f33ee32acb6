"""What is billed of calls that died with their process."""

import pytest

from chat.models import ModelCall, Run
from tests.beside import another_program
from tests.engine.orphans import half_done

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def chat(chat):
    """Nobody takes runs over but the test."""
    await chat.runtime.reaper.stop()
    return chat


async def test_a_call_that_died_with_its_process_is_billed_by_what_had_arrived(chat):
    started = await chat.runtime.database(half_done, chat, "Hello, wor")
    await chat.runtime.supervisor.rescue()
    await chat.events(started.run)
    rows = await chat.runtime.database(lambda: list(ModelCall.objects.order_by("epoch")))
    assert [(row.epoch, row.outcome, row.usage_source) for row in rows] == [
        (1, "lost", "estimated"),
        (2, "completed", "reported"),
    ]
    assert rows[0].output_tokens > 0


async def test_attempts_that_had_ended_keep_their_rows_when_the_process_dies_in_a_later_one(chat, upstream):
    def one_attempt_ended(started):
        run = Run.objects.get(pk=started.run)
        for attempt, outcome in ((1, "provider_cut"), (2, "running")):
            ModelCall.objects.create(
                run=run, epoch=1, attempt=attempt, outcome=outcome, provider="fake", model="model-1"
            )

    started = await chat.runtime.database(half_done, chat, "Hello, wor")
    await chat.runtime.database(one_attempt_ended, started)
    await chat.runtime.supervisor.rescue()
    await chat.events(started.run)
    rows = await chat.runtime.database(lambda: list(ModelCall.objects.order_by("epoch", "attempt")))
    assert [(row.epoch, row.attempt, row.outcome, row.usage_source) for row in rows] == [
        (1, 1, "provider_cut", "unknown"),
        (1, 2, "lost", "unknown"),
        (2, 1, "completed", "reported"),
    ]
    assert rows[1].cost is None


async def test_a_call_that_had_shown_nothing_is_in_the_ledger_all_the_same(chat, upstream):
    def under_way(started):
        run = Run.objects.get(pk=started.run)
        ModelCall.objects.create(run=run, epoch=1, outcome="running", provider="fake", model="model-1")

    started = await chat.runtime.database(half_done, chat, "")
    await chat.runtime.database(under_way, started)
    await chat.runtime.supervisor.rescue()
    await chat.events(started.run)
    rows = await chat.runtime.database(lambda: list(ModelCall.objects.order_by("epoch")))
    assert [(row.epoch, row.outcome, row.usage_source) for row in rows] == [
        (1, "lost", "unknown"),
        (2, "completed", "reported"),
    ]


async def test_attempts_that_were_never_made_have_no_row(chat, upstream):
    def one_attempt_ended(started):
        run = Run.objects.get(pk=started.run)
        ModelCall.objects.create(run=run, epoch=1, outcome="provider_cut", provider="fake", model="model-1")

    started = await chat.runtime.database(half_done, chat, "Hello, wor")
    await chat.runtime.database(one_attempt_ended, started)
    await chat.runtime.supervisor.rescue()
    await chat.events(started.run)
    rows = await chat.runtime.database(lambda: list(ModelCall.objects.order_by("epoch")))
    assert [row.outcome for row in rows] == ["provider_cut", "completed"]


@pytest.mark.postgresql
async def test_a_run_that_cannot_be_billed_yet_is_not_claimed_either(chat):
    started = await chat.runtime.database(half_done, chat, "Hel")
    run = Run.objects.filter(pk=started.run)
    await chat.runtime.database(lambda: ModelCall.objects.create(run=run.get(), epoch=1, outcome="running"))
    with another_program() as sleeper:
        sleeper.execute("BEGIN")
        sleeper.execute("SELECT 1 FROM chat_modelcall FOR UPDATE")
        assert await chat.runtime.supervisor.rescue() == 0
        assert (await chat.row(started.run)).epoch == 1
        sleeper.execute("ROLLBACK")
    assert await chat.runtime.supervisor.rescue() == 1
    await chat.events(started.run)


async def test_a_call_that_died_before_it_was_noted_is_in_the_ledger_without_figures(chat):
    started = await chat.runtime.database(half_done, chat, "")
    await chat.runtime.supervisor.rescue()
    await chat.events(started.run)
    rows = await chat.runtime.database(lambda: list(ModelCall.objects.order_by("epoch")))
    assert [(row.epoch, row.outcome, row.usage_source) for row in rows] == [
        (1, "lost", "unknown"),
        (2, "completed", "reported"),
    ]
    assert rows[0].cost is None


async def test_of_a_run_that_was_given_up_before_its_call_nothing_is_billed(chat):
    started = await chat.runtime.database(half_done, chat, "")
    await chat.runtime.database(Run.objects.filter(pk=started.run).update, node=None)
    await chat.runtime.supervisor.rescue()
    await chat.events(started.run)
    rows = await chat.runtime.database(lambda: list(ModelCall.objects.order_by("epoch")))
    assert [(row.epoch, row.outcome) for row in rows] == [(2, "completed")]
