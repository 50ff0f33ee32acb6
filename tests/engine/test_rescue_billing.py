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


@pytest.fixture
async def died(chat):
    """A process that showed so much of an answer and noted these attempts (outcomes) dies, and the run is made again:
    its calls, in their order."""

    def note(started, outcomes):
        run = Run.objects.get(pk=started.run)
        for attempt, outcome in enumerate(outcomes, 1):
            ModelCall.objects.create(
                run=run, epoch=1, attempt=attempt, outcome=outcome, provider="fake", model="model-1"
            )

    async def play(shown, *outcomes, given_up=False):
        started = await chat.runtime.database(half_done, chat, shown)
        await chat.runtime.database(note, started, outcomes)
        if given_up:
            await chat.runtime.database(Run.objects.filter(pk=started.run).update, node=None)
        assert await chat.runtime.supervisor.rescue() == 1
        await chat.events(started.run)
        return await chat.runtime.database(lambda: list(ModelCall.objects.order_by("epoch", "attempt")))

    return play


def told(rows):
    return [(row.epoch, row.attempt, row.outcome, row.usage_source) for row in rows]


async def test_a_call_that_died_with_its_process_is_billed_by_what_had_arrived(died):
    rows = await died("Hello, wor")
    assert told(rows) == [(1, 1, "lost", "estimated"), (2, 1, "completed", "reported")]
    assert rows[0].output_tokens > 0


async def test_attempts_that_had_ended_keep_their_rows_when_the_process_dies_in_a_later_one(died):
    rows = await died("Hello, wor", "provider_cut", "running")
    assert told(rows) == [
        (1, 1, "provider_cut", "unknown"),
        (1, 2, "lost", "unknown"),
        (2, 1, "completed", "reported"),
    ]
    assert rows[1].cost is None


async def test_a_call_that_had_shown_nothing_is_in_the_ledger_all_the_same(died):
    rows = await died("", "running")
    assert told(rows) == [(1, 1, "lost", "unknown"), (2, 1, "completed", "reported")]


async def test_attempts_that_were_never_made_have_no_row(died):
    rows = await died("Hello, wor", "provider_cut")
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


async def test_a_call_that_died_before_it_was_noted_is_in_the_ledger_without_figures(died):
    rows = await died("")
    assert told(rows) == [(1, 1, "lost", "unknown"), (2, 1, "completed", "reported")]
    assert rows[0].cost is None


async def test_of_a_run_that_was_given_up_before_its_call_nothing_is_billed(died):
    rows = await died("", given_up=True)
    assert [(row.epoch, row.outcome) for row in rows] == [(2, "completed")]
