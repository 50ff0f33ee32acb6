"""The worker inside the web process, over a real Redis that comes and goes."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery
from celery.app import trace

from project.broker import KEY_PREFIX
from project.celery import app as project_app
from project.worker.embedded import EmbeddedWorker
from tests.live import LiveSite, copy_site
from tests.project.workers import sender, wait_for
from tests.services import MortalRedis
from tests.services import mortal_redis as mortal_redis  # the name is the fixture

PATIENCE_SECONDS = 30.0


@pytest.fixture
def app(mortal_redis: MortalRedis) -> Celery:
    application = sender(mortal_redis.url)
    application.conf.beat_schedule = {}
    return application


@pytest.fixture
def worker(app: Celery) -> Iterator[EmbeddedWorker]:
    embedded = EmbeddedWorker(app, threads=2)
    yield embedded
    embedded.stop(timeout_seconds=3)
    trace.reset_worker_optimizations(app)
    project_app.set_default()
    project_app.set_current()


def waiting(server: MortalRedis, queue: str) -> int:
    with redis.Redis(port=server.port) as client:
        return int(client.llen(KEY_PREFIX + queue))


def test_a_site_starts_while_redis_is_away_and_works_once_it_is_there(
    app: Celery, worker: EmbeddedWorker, mortal_redis: MortalRedis
):
    ran = threading.Event()

    @app.task(name="tools.touch", shared=False)
    def touch() -> None:
        ran.set()

    mortal_redis.kill()
    began = time.monotonic()
    worker.start()
    # Measured 20 ms.
    assert time.monotonic() - began < 1
    mortal_redis.start()
    touch.delay()
    assert ran.wait(PATIENCE_SECONDS)


def test_it_goes_on_when_redis_comes_back_empty(
    app: Celery, worker: EmbeddedWorker, mortal_redis: MortalRedis
):
    ran = threading.Semaphore(0)

    @app.task(name="webhooks.touch", shared=False)
    def touch() -> None:
        ran.release()

    worker.start()
    touch.delay()
    assert ran.acquire(timeout=PATIENCE_SECONDS)
    mortal_redis.kill()
    mortal_redis.start()
    touch.delay()
    assert ran.acquire(timeout=PATIENCE_SECONDS)


def test_a_busy_worker_is_not_waited_for_and_its_tasks_go_back(
    app: Celery, worker: EmbeddedWorker, mortal_redis: MortalRedis
):
    began, release = threading.Semaphore(0), threading.Event()

    @app.task(name="tools.stuck", shared=False)
    def stuck() -> None:
        began.release()
        release.wait(PATIENCE_SECONDS)

    worker.start()
    for _ in range(2):
        stuck.delay()
    for _ in range(2):
        assert began.acquire(timeout=PATIENCE_SECONDS)
    assert worker.stop(timeout_seconds=10)
    assert waiting(mortal_redis, "tools") == 2
    release.set()


def test_more_tasks_than_threads_follow_each_other_at_once(app: Celery, worker: EmbeddedWorker):
    done = threading.Semaphore(0)

    @app.task(name="maintenance.nap", shared=False)
    def nap() -> None:
        time.sleep(0.05)
        done.release()

    worker.start()
    began = time.perf_counter()
    for _ in range(20):
        nap.delay()
    for _ in range(20):
        assert done.acquire(timeout=PATIENCE_SECONDS)
    # Ten rounds of 50 ms, measured 0.6 s. Were an ack not to wake the worker, each round would wait for a second.
    assert time.perf_counter() - began < 6


@pytest.mark.server
def test_serve_runs_what_others_send(mortal_redis: MortalRedis, prepared_folder: Path, tmp_path: Path):
    folder = tmp_path / "data"
    copy_site(prepared_folder, folder)
    site = LiveSite(folder, settings={"REDIS_URL": mortal_redis.url})
    sender(mortal_redis.url).send_task("chat.tasks.prune")
    site.start()
    try:
        wait_for(lambda: "pruned" in site.log)
    finally:
        assert site.stop() == 0
