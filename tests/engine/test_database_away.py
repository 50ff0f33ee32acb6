"""A database that is away for a while: whoever asks anew is told so soon, and what is being written is kept."""

import asyncio
import signal
import time
import uuid

import pytest
from django.db import connection, connections

from chat.exceptions import StorageUnavailable
from chat.models import Run
from tests import many_machines
from tests.beside import another_program, locked
from tests.postgres import Postgres, frozen

pytestmark = pytest.mark.django_db(transaction=True)

PROMISED_SECONDS = 2.0
"""Until a new writer is told (P5 of the promises)."""
WRITERS = 20


@pytest.fixture(autouse=True)
def clean(transactional_db):
    """What this thread had open may lead nowhere when the tables are emptied."""
    yield
    connections.close_all()


@pytest.fixture
def server(clean):
    """The very server this session runs on."""
    found = many_machines.server
    assert found is not None
    if not found.is_ours:
        pytest.skip("the server of TEST_DATABASE_URL is not ours to stop: unset it, and one is started here")
    found.checkpoint()
    yield found
    found.stop()
    found.start()
    # Nobody needs to find out that the connections are dead.
    connection.close_pool()


async def refusals(chat) -> list[float]:
    """Many at once ask for a new answer; after how many seconds each was refused."""

    async def ask() -> float:
        began = time.monotonic()
        with pytest.raises(StorageUnavailable) as refused:
            await chat.ask("me too")
        assert refused.value.retry_after_seconds
        return time.monotonic() - began

    return await asyncio.gather(*(ask() for _ in range(WRITERS)))


@pytest.fixture
def slow(upstream):
    """Says half of its answer, and the other half when it is let."""
    go_on = asyncio.Event()

    async def play(answer):
        await answer.say("half, ")
        await go_on.wait()
        await answer.say("whole")
        await answer.end()

    upstream.play = play
    return go_on


async def test_new_writers_are_refused_soon_while_somebody_holds_the_lock(chat, record_property):
    with locked("chat_run"):
        seconds = await refusals(chat)
    record_property("slowest_refusal_seconds", max(seconds))
    assert max(seconds) < PROMISED_SECONDS
    started = await chat.ask("hello")
    assert (await chat.events(started.run))[-1]["status"] == "completed"


@pytest.mark.postgresql
@pytest.mark.parametrize("how", ["SIGINT", "SIGQUIT"])
async def test_an_answer_outlives_a_database_that_stops_and_comes_back(
    chat, slow, server: Postgres, how, record_property
):
    runs = [await chat.ask("hello") for _ in range(5)]
    for started in runs:
        await chat.events(started.run, until="text.delta")
    await asyncio.to_thread(server.stop, signal.Signals[how])
    seconds = await refusals(chat)
    record_property("slowest_refusal_seconds", max(seconds))
    assert max(seconds) < PROMISED_SECONDS

    slow.set()
    await asyncio.sleep(1)
    await asyncio.to_thread(server.start)
    for started in runs:
        events = await chat.events(started.run)
        assert events[-1]["status"] == "completed"
        assert "".join(e["text"] for e in events if e["type"] == "text.delta") == "half, whole"
        assert (await chat.answer(started)).text == "half, whole"
        assert (await chat.row(started.run)).epoch == 1


@pytest.mark.postgresql
async def test_a_database_that_hangs_is_told_as_soon_as_one_that_is_gone(
    chat, slow, server: Postgres, record_property
):
    """Its lines stay open, and nothing answers: a disk or a machine that stands still."""
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    with frozen(server):
        seconds = await refusals(chat)
        slow.set()
    record_property("slowest_refusal_seconds", max(seconds))
    assert max(seconds) < PROMISED_SECONDS
    assert (await chat.events(started.run))[-1]["status"] == "completed"
    assert (await chat.answer(started)).text == "half, whole"
    assert await chat.runtime.database(Run.objects.count) == 1


@pytest.mark.postgresql
async def test_after_a_restart_the_first_who_asks_again_soon_is_served(chat, server: Postgres):
    """The pool holds connections that lead nowhere; they are not tried one after the other."""
    await asyncio.gather(*(chat.ask("hello") for _ in range(10)))
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    async with asyncio.timeout(3 * PROMISED_SECONDS):
        while True:
            try:
                await chat.ask("hello again")
            except StorageUnavailable:
                await asyncio.sleep(0.1)
            else:
                break


@pytest.mark.postgresql
async def test_one_ended_session_costs_one_request_at_most(chat):
    """As an administrator, or a proxy in between, does it."""
    with another_program() as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    refused = 0
    for _ in range(3):
        try:
            await chat.ask("hello")
        except StorageUnavailable:
            refused += 1
    assert refused <= 1


@pytest.mark.postgresql
async def test_a_stand_by_that_may_only_be_read_is_no_bug_of_ours(chat):
    def only_read(start):
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
            start()

    with pytest.raises(StorageUnavailable) as refused:
        await chat.runtime.database(
            only_read, lambda: Run.objects.create(user=chat.user, start_key=uuid.uuid4())
        )
    assert "read-only" in refused.value.detail
