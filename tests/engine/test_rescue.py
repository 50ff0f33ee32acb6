"""Runs whose process has died: taken up, gone on with, never doubled."""

import asyncio
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from django.utils import timezone

from chat.engine.neighbours import birth_of
from chat.engine.recorder import Partial, look_after, save_partials
from chat.events.fold import StepState
from chat.exceptions import StaleEpoch
from chat.models import Message, Node, Run
from tests.beside import another_program, locked
from tests.engine.orphans import half_done

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def chat(chat):
    """Nobody takes runs over but the test."""
    await chat.runtime.reaper.stop()
    return chat


async def test_what_is_stored_comes_before_the_first_event_of_a_new_epoch(chat):
    started = await chat.runtime.database(half_done, chat, "Hel")
    claimed = await chat.runtime.database(
        Run.objects.claim, uuid.UUID(started.run), seen_epoch=1, node=chat.runtime.node
    )
    assert claimed
    row = await chat.row(started.run)
    assert (row.epoch, row.last_seq) == (2, 0)


async def test_a_run_of_a_dead_node_is_made_again_under_a_new_epoch(chat):
    started = await chat.runtime.database(half_done, chat, "Hel")
    assert await chat.runtime.supervisor.rescue() == 1
    events = await chat.events(started.run)
    assert [event["type"] for event in events[:3]] == ["run.snapshot", "step.reset", "step.started"]
    assert events[2]["model"] == chat.model.full_name
    assert {event["cursor"].split("-")[0] for event in events} == {"2"}
    assert events[-1]["status"] == "completed"
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "Hello"}]


async def test_a_run_of_a_living_node_is_left_alone(chat, upstream):
    async def play(answer):
        await answer.say("working")
        await answer.wait_for_hang_up()

    upstream.play = play
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    assert await chat.runtime.supervisor.rescue() == 0
    await chat.stop(started)
    await chat.events(started.run)


async def test_of_many_rescuers_one_gets_the_run(chat):
    started = await chat.runtime.database(half_done, chat, "")
    claims = await asyncio.gather(
        *(
            chat.runtime.database(
                Run.objects.claim, uuid.UUID(started.run), seen_epoch=1, node=chat.runtime.node
            )
            for _ in range(8)
        )
    )
    assert sorted(claims) == [False] * 7 + [True]


async def test_what_had_come_stays_where_the_second_attempt_comes_less_far(chat, upstream):
    async def play(answer):
        await answer.say("He")
        answer.cut()

    upstream.play = play
    started = await chat.runtime.database(half_done, chat, "Hello, wor")
    await chat.runtime.supervisor.rescue()
    events = await chat.events(started.run)
    assert events[-1]["status"] == "failed"
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "Hello, wor"}]


async def test_a_rescued_run_that_was_stopped_stays_stopped(chat, upstream):
    started = await chat.runtime.database(half_done, chat, "Hel")
    await chat.runtime.database(Run.objects.filter(pk=started.run).update, stop_requested_at=timezone.now())
    await chat.runtime.supervisor.rescue()
    events = await chat.events(started.run)
    assert events[-1]["status"] == "stopped"
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "Hel"}]
    assert upstream.requests == []


async def test_a_stale_epoch_writes_nothing(chat):
    started = await chat.runtime.database(half_done, chat, "new")
    await chat.runtime.database(Run.objects.filter(pk=started.run).update, epoch=2)
    step = StepState(1, False, [{"type": "text", "text": "old and late"}])
    partial = Partial(started.run, 1, started.runs[0].message, 9, [step])
    await chat.runtime.database(save_partials, [partial])
    holding = await chat.runtime.database(look_after, {started.run: 1})
    assert holding.lost == [started.run]
    answer = await chat.runtime.database(Message.objects.get, pk=started.runs[0].message)
    assert answer.text == "new"
    with pytest.raises(StaleEpoch):
        await chat.runtime.database(Run.objects.write, uuid.UUID(started.run), epoch=1, status="failed")


async def test_a_run_whose_model_is_gone_fails_instead_of_hanging(chat):
    started = await chat.runtime.database(half_done, chat, "Hel")
    await chat.runtime.database(chat.model.delete)
    await chat.runtime.supervisor.rescue()
    run = await chat.row(started.run)
    assert (run.status, run.error["code"]) == ("failed", "model_not_available")


async def test_a_process_never_takes_over_what_it_makes_itself(chat, upstream):
    async def play(answer):
        await answer.say("working")
        await answer.wait_for_hang_up()

    upstream.play = play
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    late = {"heartbeat_at": Now() - timedelta(seconds=60)}
    chat.runtime.heartbeat.stop()
    await chat.runtime.database(Node.objects.filter(pk=chat.runtime.node).update, stopped_at=None, **late)
    assert await chat.runtime.supervisor.rescue() == 0
    assert len(upstream.requests) == 1
    await chat.stop(started)
    await chat.events(started.run)


async def test_a_run_that_its_own_process_lost_is_taken_up_again_after_a_lease(chat):
    started = await chat.runtime.database(half_done, chat, "Hel")
    lost = Run.objects.filter(pk=started.run)
    await chat.runtime.database(lost.update, node=chat.runtime.node, claimed_at=timezone.now())
    assert await chat.runtime.supervisor.rescue() == 0
    await chat.runtime.database(lost.update, claimed_at=timezone.now() - timedelta(seconds=60))
    assert await chat.runtime.supervisor.rescue() == 1
    await chat.events(started.run)


async def test_a_run_that_was_taken_over_too_often_without_coming_further_fails(chat, upstream):
    started = await chat.runtime.database(half_done, chat, "Hel")
    await chat.runtime.database(Run.objects.filter(pk=started.run).update, takeovers=20)
    assert await chat.runtime.supervisor.rescue() == 0
    assert (await chat.row(started.run)).status == "failed"
    assert upstream.requests == []


async def test_one_run_that_cannot_be_planned_does_not_cost_the_others(chat):
    first = await chat.runtime.database(half_done, chat, "Hel")
    second = await chat.runtime.database(half_done, chat, "Hel")
    broken = Message.objects.filter(pk=first.runs[0].message)
    await chat.runtime.database(broken.update, parts={"no": "list"})
    assert await chat.runtime.supervisor.rescue() == 1
    assert (await chat.row(first.run)).status == "failed"
    assert (await chat.events(second.run))[-1]["status"] == "completed"


async def test_runs_of_a_neighbour_that_is_gone_are_taken_over_without_waiting_for_its_lease(chat):
    def kill():
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        birth = birth_of(process.pid)
        process.kill()
        process.wait()
        Node.objects.filter(runs=started.run).update(heartbeat_at=Now(), birth=birth)
        return birth

    started = await chat.runtime.database(half_done, chat, "Hel")
    if not await chat.runtime.database(kill):
        pytest.skip("this system does not tell of processes")
    assert await chat.runtime.supervisor.rescue(by_silence=False) == 1
    assert (await chat.events(started.run))[-1]["status"] == "completed"


async def test_silence_alone_is_not_believed_where_it_says_nothing(chat):
    started = await chat.runtime.database(half_done, chat, "Hel")
    assert await chat.runtime.supervisor.rescue(by_silence=False) == 0
    assert await chat.runtime.supervisor.rescue(by_silence=True) == 1
    await chat.events(started.run)


async def test_a_run_that_was_given_up_is_taken_over_at_once(chat):
    started = await chat.runtime.database(half_done, chat, "Hel")
    await chat.runtime.database(Run.objects.filter(pk=started.run).update, node=None)
    assert await chat.runtime.supervisor.rescue(by_silence=False) == 1
    await chat.events(started.run)


async def test_the_command_frees_the_runs_of_dead_nodes_and_leaves_those_of_the_living(chat, upstream):
    async def play(answer):
        await answer.say("working")
        await answer.wait_for_hang_up()

    upstream.play = play
    living = await chat.ask("hello")
    await chat.events(living.run, until="text.delta")
    dead = await chat.runtime.database(half_done, chat, "Hel")
    out = StringIO()
    await chat.runtime.database(call_command, "rescue_runs", stdout=out)
    assert out.getvalue() == "0 processes found gone, 1 runs freed\n"
    assert (await chat.row(dead.run)).node_id is None
    assert (await chat.row(living.run)).node_id == chat.runtime.node
    await chat.stop(living)
    await chat.events(living.run)


async def test_a_process_that_ends_takes_nothing_over_any_more(chat):
    started = await chat.runtime.database(half_done, chat, "Hel")
    chat.runtime.supervisor.draining = True
    assert await chat.runtime.supervisor.rescue() == 0
    assert (await chat.row(started.run)).epoch == 1


@pytest.mark.postgresql
async def test_a_run_that_a_sleeping_process_has_locked_does_not_hold_up_the_others(chat):
    first = await chat.runtime.database(half_done, chat, "Hel")
    second = await chat.runtime.database(half_done, chat, "Hel")
    with another_program() as sleeper:
        sleeper.execute("BEGIN")
        sleeper.execute("SELECT 1 FROM chat_run WHERE id = %s FOR UPDATE", [first.run])
        assert await chat.runtime.supervisor.rescue() == 1
        assert (await chat.events(second.run))[-1]["status"] == "completed"
        assert (await chat.row(first.run)).epoch == 1
        sleeper.execute("ROLLBACK")
    assert await chat.runtime.supervisor.rescue() == 1
    assert (await chat.events(first.run))[-1]["status"] == "completed"


async def test_what_was_claimed_just_before_the_end_is_given_up_with_the_rest(chat, upstream):
    started = await chat.runtime.database(half_done, chat, "Hel")
    supervisor = chat.runtime.supervisor
    claim = supervisor._claim_orphans

    async def claim_as_the_signal_comes(made_here, *, by_silence):
        rescued = await claim(made_here, by_silence=by_silence)
        supervisor.draining = True
        return rescued

    supervisor._claim_orphans = claim_as_the_signal_comes
    assert await supervisor.rescue() == 0
    assert (await chat.row(started.run)).node_id == chat.runtime.node
    await supervisor.hand_over()
    row = await chat.row(started.run)
    assert (row.node_id, row.status) == (None, "running")
    assert upstream.requests == []


async def test_engines_end_even_where_nothing_can_be_saved(chat, upstream):
    async def play(answer):
        await answer.say("working")
        await answer.wait_for_hang_up()

    upstream.play = play
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    with locked("chat_run", "chat_message"):
        begun = time.monotonic()
        await chat.runtime._tried(chat.runtime.supervisor.save, 0.1)
        await chat.runtime.supervisor.break_off()
        assert time.monotonic() - begun < 5
    assert len(chat.runtime.supervisor) == 0
    async with asyncio.timeout(10):
        while not upstream.closed_at:
            await asyncio.sleep(0.01)
