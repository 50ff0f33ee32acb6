"""`celery worker` and `celery beat` as processes of their own, over a real Redis."""

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from celery import Celery

from chat.wiring.sending import Sender
from project.broker import KEY_PREFIX
from tests.live import LiveSite, copy_site
from tests.project.workers import Notes, Process, beat, running, sender, wait_for, worker
from tests.services import MISSING, MortalRedis, redis_binary, stop

pytestmark = pytest.mark.server


@dataclass
class Crew:
    """Two workers as they are started in earnest, their Redis, and somebody who sends."""

    redis: MortalRedis
    app: Celery
    site: LiveSite
    tools: Process
    others: Process

    def send(self, task: str, notes: Notes, name: str, seconds: float = 0.0) -> None:
        self.app.send_task(task, args=[str(notes.file), name, seconds])

    def waiting(self, queue: str, database: int = 0) -> int:
        with redis.Redis(port=self.redis.port, db=database) as client:
            return int(client.llen(KEY_PREFIX + queue))


@pytest.fixture(scope="module")
def crew(prepared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    binary = redis_binary()
    if binary is None:
        pytest.skip(MISSING)
    server = MortalRedis(binary, tmp_path_factory.mktemp("redis"))
    folder = tmp_path_factory.mktemp("crew") / "data"
    copy_site(prepared_folder, folder)
    site = LiveSite(folder, settings={"REDIS_URL": server.url, "LOG_FORMAT": "json"})
    tools = worker(site, "tools", "prefork", "-c", "2")
    others = worker(site, "webhooks,maintenance", "threads")
    try:
        with running(tools, others):
            yield Crew(server, sender(server.url), site, tools, others)
    finally:
        stop(server.process)


@pytest.fixture
def apart(crew: Crew) -> str:
    """Another database of the same Redis, empty, where the two hear nothing."""
    url = crew.redis.url.removesuffix("0") + "1"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


@pytest.mark.both_columns
def test_a_tool_runs_in_a_child_of_the_worker_for_tools(crew: Crew, notes: Notes):
    crew.send("tools.note", notes, "hammer")
    (began,) = notes.wait("began")
    assert began["parent"] == crew.tools.pid


@pytest.mark.both_columns
@pytest.mark.parametrize("task", ["webhooks.note", "other.note"])
def test_everything_else_runs_on_threads_of_the_other_worker(crew: Crew, notes: Notes, task: str):
    crew.send(task, notes, "letter")
    (began,) = notes.wait("began")
    assert began["pid"] == crew.others.pid


def test_a_queue_that_is_full_does_not_hold_up_the_others(crew: Crew, notes: Notes):
    for number in range(4):
        crew.send("tools.note", notes, f"long {number}", 0.7)
    wait_for(lambda: len(notes.lines("began")) == 2)
    crew.send("webhooks.note", notes, "letter")
    notes.wait("ended", "letter")
    assert len([line for line in notes.lines("ended") if line["name"] != "letter"]) == 0
    notes.wait("ended", count=5)


@pytest.mark.both_columns
def test_a_worker_process_is_one_node_and_its_children_know_it(crew: Crew, notes: Notes):
    ours = {crew.tools.pid, crew.others.pid}
    names = {}

    # A node is written as soon as the database answers, which may be a moment after the first task.
    def registered() -> set[str]:
        before = len(notes.lines("ended"))
        crew.send("tools.note", notes, "hammer")
        crew.send("webhooks.note", notes, "letter")
        notes.wait("ended", count=before + 2)
        began = notes.lines("began")
        names.update({line["name"]: line["node"] for line in began})
        found = {node: pid for node, pid in began[-1]["workers"].items() if pid in ours}
        return set(found) if len(found) >= 2 else set()

    assert wait_for(registered) == set(names.values())
    assert len(set(names.values())) == 2


@pytest.mark.both_columns
def test_a_child_keeps_its_connection_and_has_no_pool(crew: Crew, notes: Notes):
    for number in range(6):
        crew.send("tools.note", notes, str(number))
    began = notes.wait("began", count=6)
    assert not any(line["pooled"] for line in began)
    assert len({(line["pid"], line["connection"]) for line in began}) == len({line["pid"] for line in began})


def test_a_task_whose_child_was_killed_is_given_out_again_once(crew: Crew, notes: Notes):
    crew.send("tools.note", notes, "saw", 1.0)
    (began,) = notes.wait("began")
    os.kill(began["pid"], signal.SIGKILL)
    notes.wait("ended")
    again = notes.lines("began")
    assert len(again) == 2
    assert again[1]["pid"] != began["pid"]
    assert len(notes.lines("ended")) == 1
    assert crew.waiting("tools") == 0


def test_every_line_of_the_log_is_json_and_none_stands_there_twice(crew: Crew, notes: Notes):
    crew.send("tools.note", notes, "hammer")
    notes.wait("ended")
    for process in (crew.tools, crew.others):
        lines = [json.loads(line) for line in process.log.splitlines()]
        assert [line["event"] for line in lines].count("worker ready") == 1
        assert len({json.dumps(line) for line in lines}) == len(lines)
        # What a task returns may be what people have written.
        assert "what people have written" not in process.log


def test_workers_and_clock_go_on_when_redis_comes_back_empty(
    crew: Crew, apart: str, notes: Notes, tmp_path: Path
):
    ticks = Notes(tmp_path / "ticks")
    counting = worker(crew.site, "maintenance", "threads", REDIS_URL=apart, TICKS=str(ticks.file))
    clock = beat(crew.site, REDIS_URL=apart)
    with running(counting, clock):
        ticks.wait("tick", count=2)
        crew.redis.kill()
        time.sleep(0.5)
        crew.redis.start()
        ticks.wait("tick", count=len(ticks.lines("tick")) + 3)
        crew.send("tools.note", notes, "hammer")
        crew.send("webhooks.note", notes, "letter")
        notes.wait("ended", count=2)
    assert list(crew.site.folder.glob("beat-schedule*"))


def test_sigterm_lets_the_tasks_under_way_end(crew: Crew, apart: str, notes: Notes):
    patient = {"REDIS_URL": apart, "DRAIN_SECONDS": "20"}
    children = worker(crew.site, "tools", "prefork", "-c", "1", **patient)
    threads = worker(crew.site, "webhooks", "threads", **patient)
    app = sender(apart)
    with running(children, threads):
        for task in ("tools.note", "webhooks.note"):
            app.send_task(task, args=[str(notes.file), task, 1.0])
        notes.wait("began", count=2)
        for process in (children, threads):
            process.tell()
        assert [process.wait() for process in (children, threads)] == [0, 0]
    assert len(notes.lines("ended")) == 2
    assert crew.waiting("tools", database=1) == crew.waiting("webhooks", database=1) == 0
    assert "worker ended" in children.log
    assert "worker ended" in threads.log


def test_what_does_not_end_in_time_or_is_told_twice_goes_back_into_its_queue(
    crew: Crew, apart: str, notes: Notes
):
    children = worker(crew.site, "tools", "prefork", "-c", "1", REDIS_URL=apart, DRAIN_SECONDS="1")
    threads = worker(crew.site, "webhooks", "threads", REDIS_URL=apart, DRAIN_SECONDS="600")
    app = sender(apart)
    with running(children, threads):
        for task in ("tools.note", "webhooks.note"):
            app.send_task(task, args=[str(notes.file), task, 300.0])
        notes.wait("began", count=2)
        for process in (children, threads):
            process.tell()
        time.sleep(0.3)
        threads.tell()
        assert threads.wait() == 1
        assert children.wait() == 0
    assert crew.waiting("tools", database=1) == crew.waiting("webhooks", database=1) == 1
    (child,) = {line["pid"] for line in notes.lines("began", "tools.note")}
    wait_for(lambda: not Path(f"/proc/{child}").exists())


def test_who_sends_while_redis_is_away_or_says_nothing_is_told_so(tmp_path: Path):
    binary = redis_binary()
    if binary is None:
        pytest.skip(MISSING)
    server = MortalRedis(binary, tmp_path)
    app = sender(server.url)

    def sent() -> bool:
        return Sender(app.send_task, time.monotonic)("tools.hammer")

    try:
        assert sent()
        server.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert not sent()
        # Measured: 2.0 s, and a millisecond where the connection is refused.
        assert time.monotonic() - began < 20
        server.process.send_signal(signal.SIGCONT)
        server.kill()
        assert not sent()
        server.start()
        assert sent()
    finally:
        stop(server.process)
