"""The real worker, over the real in-memory broker."""

import threading
import time
from collections.abc import Iterator

import pytest
from celery import Celery
from celery.app import trace

from project import transport
from project.celery import app as project_app
from project.worker.embedded import EmbeddedWorker

GENEROUS_SECONDS = 10.0


@pytest.fixture
def app() -> Celery:
    application = Celery("embedded-test", set_as_current=False, fixups=[])
    application.conf.update(
        broker_url="memory://localhost/",
        broker_transport="project.transport:Transport",
        task_ignore_result=True,
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        # The queues of the memory transport belong to the process.
        task_default_queue="embedded-test",
    )
    return application


@pytest.fixture
def worker(app: Celery) -> Iterator[EmbeddedWorker]:
    embedded = EmbeddedWorker(app, threads=4)
    yield embedded
    embedded.stop()
    trace.reset_worker_optimizations(app)
    project_app.set_default()
    project_app.set_current()


def test_a_task_runs_on_a_thread_of_this_process(app: Celery, worker: EmbeddedWorker):
    ran = threading.Event()
    seen: list[tuple[int, str]] = []

    @app.task(shared=False)
    def note(number: int) -> None:
        seen.append((number, threading.current_thread().name))
        ran.set()

    worker.start()
    note.delay(7)
    assert ran.wait(GENEROUS_SECONDS)
    assert seen[0][0] == 7
    assert seen[0][1].startswith("task-")


def test_a_task_begins_without_waiting_for_a_poll(app: Celery, worker: EmbeddedWorker):
    began = threading.Event()

    @app.task(shared=False)
    def touch() -> None:
        began.set()

    worker.start()
    delays: list[float] = []
    for _ in range(10):
        began.clear()
        sent_at = time.perf_counter()
        touch.delay()
        assert began.wait(GENEROUS_SECONDS)
        delays.append(time.perf_counter() - sent_at)
    # Measured 1.5 ms; the stock transport takes up to a second.
    assert sorted(delays)[5] < 0.05


def test_an_ack_lets_the_next_message_out_at_once(app: Celery, worker: EmbeddedWorker):
    done = threading.Semaphore(0)

    @app.task(shared=False)
    def nap() -> None:
        time.sleep(0.05)
        done.release()

    worker.start()
    began = time.perf_counter()
    for _ in range(16):
        nap.delay()
    for _ in range(16):
        assert done.acquire(timeout=GENEROUS_SECONDS)
    # Four rounds of 50 ms on four threads; with the stock transport's polls it would be seconds.
    assert time.perf_counter() - began < 1.5


def test_an_idle_worker_takes_next_to_no_processor(worker: EmbeddedWorker):
    worker.start()
    before = time.process_time()
    time.sleep(1.0)
    # Measured 0.1 ms; polling every 10 ms would take 15.
    assert time.process_time() - before < 0.02


def test_stopping_does_not_wait_for_a_busy_task(app: Celery, worker: EmbeddedWorker):
    began, release = threading.Event(), threading.Event()

    @app.task(shared=False)
    def stuck() -> None:
        began.set()
        release.wait(GENEROUS_SECONDS)

    worker.start()
    stuck.delay()
    assert began.wait(GENEROUS_SECONDS)
    stopping_at = time.perf_counter()
    assert worker.stop()
    release.set()
    assert time.perf_counter() - stopping_at < 1.0


def test_it_starts_again_after_a_stop(app: Celery, worker: EmbeddedWorker):
    ran = threading.Event()

    @app.task(shared=False)
    def touch() -> None:
        ran.set()

    worker.start()
    worker.stop()
    worker.start()
    touch.delay()
    assert ran.wait(GENEROUS_SECONDS)


def test_the_schedule_is_kept(app: Celery, worker: EmbeddedWorker):
    ticks = threading.Semaphore(0)

    @app.task(shared=False)
    def tick() -> None:
        ticks.release()

    app.conf.beat_schedule = {"tick": {"task": tick.name, "schedule": 0.05}}
    worker.start()
    assert ticks.acquire(timeout=GENEROUS_SECONDS)
    assert ticks.acquire(timeout=GENEROUS_SECONDS)


def test_a_failed_task_does_not_take_its_thread_along(app: Celery, worker: EmbeddedWorker):
    ran = threading.Event()

    @app.task(shared=False)
    def fail() -> None:
        raise ValueError("on purpose")

    @app.task(shared=False)
    def touch() -> None:
        ran.set()

    worker.start()
    for _ in range(8):
        fail.delay()
    touch.delay()
    assert ran.wait(GENEROUS_SECONDS)


def test_a_ring_between_looking_and_waiting_is_not_lost():
    bell = transport.Bell()
    rings = bell.rings
    bell.ring()
    bell.wait_after(rings, timeout_seconds=None)
