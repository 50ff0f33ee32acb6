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

from chat.tasks import Sender
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

    def waiting(self, queue: str) -> int:
        with redis.Redis(port=self.redis.port) as client:
            return int(client.llen(KEY_PREFIX + queue))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def crew(prepared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    binary = redis_binary()
    if binary is None:
        pytest.skip(MISSING)
    server = MortalRedis(binary, tmp_path_factory.mktemp("redis"))
    folder = tmp_path_factory.mktemp("crew") / "data"
    copy_site(prepared_folder, folder)
    site = LiveSite(folder, settings={"REDIS_URL": server.url, "LOG_FORMAT": "json", "DRAIN_SECONDS": "1"})
    tools = worker(site, "tools", "prefork", "-c", "2")
    others = worker(site, "webhooks,maintenance", "threads")
    try:
        with running(tools, others):
            yield Crew(server, sender(server.url), site, tools, others)
    finally:
        stop(server.process)


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
    # A node is written as soon as the database answers, which may be a moment after the first task.
    def both_registered() -> list[dict[str, object]]:
        crew.send("tools.note", notes, "hammer")
        crew.send("webhooks.note", notes, "letter")
        notes.wait("ended", count=len(notes.lines("ended")) + 2)
        return [line for line in notes.lines("began") if len(line["workers"]) == 2]

    seen = wait_for(both_registered)
    nodes = {line["name"]: line["node"] for line in notes.lines("began")}
    assert set(seen[-1]["workers"]) == set(nodes.values())
    assert len(nodes) == 2


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


def test_workers_and_clock_go_on_when_redis_comes_back_empty(crew: Crew, notes: Notes, tmp_path: Path):
    ticks = Notes(tmp_path / "ticks")
    counting = worker(crew.site, "maintenance", "threads", TICKS=str(ticks.file))
    crew.others.tell(signal.SIGSTOP)
    try:
        with running(counting, beat(crew.site)):
            ticks.wait("tick", count=2)
            crew.redis.kill()
            time.sleep(0.5)
            crew.redis.start()
            seen = len(ticks.lines("tick"))
            ticks.wait("tick", count=seen + 3)
            crew.send("tools.note", notes, "hammer")
            notes.wait("ended", "hammer")
            crew.others.tell(signal.SIGCONT)
            crew.send("webhooks.note", notes, "letter")
            notes.wait("ended", "letter")
    finally:
        crew.others.tell(signal.SIGCONT)
    assert (crew.site.folder / "beat-schedule").exists() or list(crew.site.folder.glob("beat-schedule*"))


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_sigterm_lets_the_task_under_way_end(crew: Crew, notes: Notes, pool: str):
    leaving = worker(crew.site, "webhooks", pool, "-c", "1", DRAIN_SECONDS="20")
    crew.others.tell(signal.SIGSTOP)
    try:
        with running(leaving):
            crew.send("webhooks.note", notes, "letter", 0.7)
            notes.wait("began")
            leaving.tell()
            assert leaving.wait() == 0
    finally:
        crew.others.tell(signal.SIGCONT)
    assert len(notes.lines("ended")) == 1
    assert crew.waiting("webhooks") == 0
    assert "worker ended" in leaving.log
