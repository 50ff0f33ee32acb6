"""What a reader is given of runs that another process makes: through Redis, or from the database while that is away."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from django.utils import timezone

from chat.conf import LogLimits
from chat.engine.database import DatabaseThreads
from chat.events.backends.memory import MemoryEventLog
from chat.events.codec import Cursor, decode_event
from chat.events.fold import RunState
from chat.models import Message, Run
from chat.websocket.subscription import Subscriptions
from tests.events.conftest import started
from tests.events.logs import Rig, until
from tests.factories import MessageFactory, RunFactory
from tests.services import mortal_redis as mortal_redis  # the names are the fixtures
from tests.services import redis_url as redis_url

pytestmark = pytest.mark.django_db(transaction=True)


class Viewer:
    """A socket without a socket: takes what there is, folds it, and ticks as the registry does."""

    def __init__(self, user, rig: Rig, database: DatabaseThreads) -> None:
        self.rig = rig
        self.state = RunState()
        self.kinds: list[str] = []
        self.last: Cursor | None = None
        self.looks: set[asyncio.Task[None]] = set()
        self.subscriptions = Subscriptions(
            user, log=rig.reader, database=database, wake=lambda: None, look=self.look
        )
        rig.reader.watch(self.subscriptions.join_again)

    def look(self) -> None:
        task = asyncio.create_task(self.subscriptions.look_again())
        self.looks.add(task)
        task.add_done_callback(self.looks.discard)

    def tick(self) -> None:
        self.subscriptions.join_again()
        if self.subscriptions.look_again_soon:
            self.look()

    def take(self) -> None:
        for _, made in self.subscriptions.take(100):
            event = json.loads(made.frame)["event"]
            self.kinds.append(event["type"])
            if event["type"] != "run.snapshot" and self.last is not None:
                assert made.cursor.seq in (1, self.last.seq + 1), "lost, doubled or out of order"
            self.last = made.cursor
            self.state.apply(decode_event(json.dumps(event)))

    @property
    def text(self) -> str:
        return "".join(part["text"] for part in self.state.parts)

    def has(self, text: str) -> bool:
        self.take()
        return self.text == text

    async def sees(self, text: str) -> None:
        await self.waits_for(lambda: self.has(text))

    async def waits_for(self, happened: Callable[[], object]) -> None:
        """Ticks faster than the registry, and takes what comes."""
        async with asyncio.timeout(15):
            while not happened():
                self.tick()
                await asyncio.sleep(0.1)
                self.take()


@pytest.fixture
async def stack(transactional_db):
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def database(stack: AsyncExitStack):
    threads = DatabaseThreads(2)
    yield threads
    await asyncio.to_thread(threads.close)


@pytest.fixture
def row(transactional_db) -> Run:
    message = MessageFactory.create(role=Message.Role.ASSISTANT, parts=[])
    return RunFactory.create(
        message=message,
        conversation=message.conversation,
        user=message.conversation.owner,
        epoch=1,
        status="running",
    )


def save(row: Run, text: str, seq: int, **columns) -> None:
    """As the maker does once a second, and at the end."""
    steps = [{"step": 1, "finished": "finished_at" in columns, "parts": 1}]
    Run.objects.filter(pk=row.pk).update(last_seq=seq, steps=steps, **columns)
    Message.objects.filter(pk=row.message_id).update(parts=[{"type": "text", "text": text}])


async def viewer_of(stack, url: str, row: Run, database: DatabaseThreads) -> Viewer:
    rig = Rig(await started(stack, url), await started(stack, url), str(row.pk))
    return Viewer(row.user, rig, database)


async def test_a_repeated_start_of_a_run_that_the_log_has_forgotten_waits_for_the_database(
    row, database, settings
):
    await database(save, row, "all of it", 3, status="completed", finished_at=timezone.now())
    log = MemoryEventLog(LogLimits(), time.monotonic)
    viewer = Viewer(row.user, Rig(log, log, str(row.pk)), database)
    settings.DATABASE_WAIT_SECONDS = 0.1
    answers = threading.Event()
    busy = [asyncio.create_task(database(answers.wait)) for _ in range(2)]
    viewer.subscriptions.follow_started(str(row.pk))
    await asyncio.wait(viewer.looks)
    answers.set()
    await asyncio.gather(*busy)
    await viewer.sees("all of it")
    assert viewer.kinds == ["run.snapshot", "run.finished"]


async def test_a_run_made_elsewhere_comes_event_by_event(stack, redis_url, row, database):
    viewer = await viewer_of(stack, redis_url, row, database)
    viewer.rig.begin()
    await viewer.subscriptions.follow(row.pk, None)
    viewer.rig.say("a", "b")
    await viewer.sees("ab")
    viewer.rig.finish()
    await viewer.waits_for(lambda: len(viewer.subscriptions) == 0)
    assert viewer.kinds == ["run.started", "step.started", "text.delta", "text.delta", "run.finished"]


async def test_a_run_that_redis_does_not_know_yet_comes_from_the_database_first(
    stack, redis_url, row, database
):
    viewer = await viewer_of(stack, redis_url, row, database)
    await database(save, row, "so far", 3)
    await viewer.subscriptions.follow(row.pk, None)
    await viewer.sees("so far")
    viewer.rig.begin()
    viewer.rig.say("so far", " and on")
    await viewer.sees("so far and on")
    assert viewer.kinds == ["run.snapshot", "text.delta"]


async def test_a_run_that_redis_has_forgotten_comes_from_the_database(stack, redis_url, row, database):
    viewer = await viewer_of(stack, redis_url, row, database)
    await database(save, row, "all of it", 7, status="completed", finished_at=timezone.now())
    await viewer.subscriptions.follow(row.pk, Cursor(1, 2))
    await viewer.sees("all of it")
    assert viewer.kinds == ["run.snapshot", "run.finished"]
    assert len(viewer.subscriptions) == 0


async def test_while_redis_is_away_the_text_comes_from_the_database(stack, mortal_redis, row, database):
    viewer = await viewer_of(stack, mortal_redis.url, row, database)
    viewer.rig.begin()
    await viewer.subscriptions.follow(row.pk, None)
    viewer.rig.say("a")
    await viewer.sees("a")
    assert not viewer.subscriptions.delayed
    mortal_redis.kill()
    viewer.rig.say("b", "c")
    await until(lambda: viewer.subscriptions.delayed)
    await database(save, row, "ab", 4)
    await viewer.sees("ab")
    viewer.rig.say("d")
    await asyncio.to_thread(mortal_redis.start)
    await viewer.sees("abcd")
    await until(lambda: not viewer.subscriptions.delayed)
    viewer.rig.say("e")
    await viewer.sees("abcde")


async def test_who_comes_while_redis_is_away_is_shown_what_is_stored(stack, mortal_redis, row, database):
    viewer = await viewer_of(stack, mortal_redis.url, row, database)
    viewer.rig.begin()
    viewer.rig.say("a", "b")
    await database(save, row, "a", 3)
    mortal_redis.kill()
    other = viewer.rig.reader.follow("another", None, lambda: None)
    await until(lambda: viewer.rig.reader.delayed)
    await viewer.subscriptions.follow(row.pk, None)
    assert viewer.has("a")
    await asyncio.to_thread(mortal_redis.start)
    await viewer.sees("ab")
    other.close()


async def test_a_log_that_is_behind_the_database_does_not_take_text_back(stack, redis_url, row, database):
    viewer = await viewer_of(stack, redis_url, row, database)
    viewer.rig.begin()
    viewer.rig.say("a")
    await viewer.subscriptions.follow(row.pk, None)
    await viewer.sees("a")
    # Its maker reaches the database, but not Redis.
    await database(save, row, "abc", 5)
    await viewer.sees("abc")
    for _ in range(8):
        viewer.tick()
        await asyncio.sleep(0.1)
        assert viewer.has("abc")
    viewer.rig.say("b", "c", "d")
    await viewer.sees("abcd")


async def test_an_end_that_only_the_database_knows_is_found(stack, redis_url, row, database):
    viewer = await viewer_of(stack, redis_url, row, database)
    viewer.rig.begin()
    await viewer.subscriptions.follow(row.pk, None)
    await viewer.waits_for(lambda: viewer.state.status == "running" and viewer.kinds)
    await database(save, row, "kept", 3, epoch=2, status="failed", finished_at=timezone.now())
    await viewer.sees("kept")
    await viewer.waits_for(lambda: len(viewer.subscriptions) == 0)
    assert viewer.kinds[-1] == "run.finished"
    assert viewer.state.status == "failed"


async def test_a_run_that_this_process_takes_over_is_followed_on_here(stack, redis_url, row, database):
    viewer = await viewer_of(stack, redis_url, row, database)
    viewer.rig.begin()
    viewer.rig.say("a")
    await viewer.subscriptions.follow(row.pk, None)
    await viewer.sees("a")
    here = Rig(viewer.rig.reader, viewer.rig.reader, viewer.rig.run)
    here.begin(epoch=2)
    here.say("b", epoch=2)
    viewer.take()
    assert viewer.text == "b"
    here.finish(epoch=2)
    viewer.take()
    assert viewer.kinds[-1] == "run.finished"


async def test_who_has_not_read_the_last_words_of_a_run_that_is_lost_here_is_led_on(
    stack, redis_url, row, database
):
    """The rest is read and there is nothing more: no wake-up comes from a log that nobody writes."""
    elsewhere = await started(stack, redis_url)
    viewer = await viewer_of(stack, redis_url, row, database)
    here = Rig(viewer.rig.reader, viewer.rig.reader, viewer.rig.run)
    here.begin()
    await viewer.subscriptions.follow(row.pk, None)
    await viewer.sees("")
    here.say("last", " words")
    here.writer.let_go(here.run, 1)
    viewer.take()
    assert viewer.text == "last words"
    there = Rig(elsewhere, viewer.rig.reader, here.run)
    there.begin(epoch=2, state=RunState())
    there.say("once more", epoch=2)
    await database(save, row, "", 0, epoch=2)
    await viewer.sees("once more")
