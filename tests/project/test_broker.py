"""How Celery is told where its broker is, and what no process needs to be started for."""

import subprocess
from pathlib import Path

import pytest
import redis
from kombu import Connection
from kombu.transport.redis import Channel

from project.broker import IN_MEMORY, KEY_PREFIX, celery_url, transport_options
from project.celery import app
from project.schedule import MAINTENANCE, QUEUES, ROUTES, SCHEDULE, TOOLS, WEBHOOKS
from tests.project.workers import sender, wait_for
from tests.services import MISSING, redis_binary, stop


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", IN_MEMORY),
        ("memory://", IN_MEMORY),
        ("redis://localhost", "redis://localhost/0"),
        ("redis://:p%40ss@db.example.org:6380/2", "redis://:p%40ss@db.example.org:6380/2"),
        ("redis://localhost/0?db=4&socket_timeout=3&protocol=3", "redis://localhost/4"),
        ("rediss://localhost", "rediss://localhost/0?ssl_cert_reqs=required"),
        ("rediss://localhost/1?ssl_cert_reqs=none", "rediss://localhost/1?ssl_cert_reqs=none"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix://me:secret@/run/redis.sock?db=3", "redis+socket://me:secret@/run/redis.sock?virtual_host=3"),
        ("unix:///run/redis.sock?password=secret", "redis+socket://:secret@/run/redis.sock?virtual_host=0"),
    ],
)
def test_a_url_of_redis_is_told_in_celerys_words(given: str, told: str):
    assert celery_url(given) == told


def test_tls_asks_for_a_certificate_unless_told_otherwise():
    assert Connection(celery_url("rediss://localhost")).ssl == {"ssl_cert_reqs": 2}


def test_a_socket_is_reached_with_its_database(tmp_path: Path):
    binary = redis_binary()
    if binary is None:
        pytest.skip(MISSING)
    path = tmp_path / "redis.sock"
    server = subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", path, "--save", ""], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    try:
        wait_for(path.exists)
        sender(f"unix://{path}?db=3").send_task("tools.note")
        with redis.Redis(unix_socket_path=str(path), db=3) as client:
            assert client.llen(KEY_PREFIX + TOOLS) == 1
    finally:
        stop(server)


def test_every_option_is_one_that_the_transport_has():
    options = transport_options("redis://localhost/0", task_seconds=600)
    known = {*Channel.from_transport_options, "max_retries"}
    assert set(options) <= known


def test_the_broker_in_memory_has_no_options_of_redis():
    assert transport_options(IN_MEMORY, task_seconds=600) == {}


def test_no_task_may_take_as_long_as_it_takes_to_be_given_out_again():
    visible = transport_options("redis://localhost/0", task_seconds=app.conf.task_time_limit)[
        "visibility_timeout"
    ]
    for task in app.tasks.values():
        assert (task.time_limit or app.conf.task_time_limit) < visible, task.name


def test_tasks_find_their_queue_by_name():
    def queue_of(name: str) -> str:
        return str(app.amqp.router.route({}, name)["queue"].name)

    assert queue_of("tools.call") == TOOLS
    assert queue_of("webhooks.deliver") == WEBHOOKS
    assert queue_of("chat.tasks.prune") == MAINTENANCE
    assert {queue.name for queue in QUEUES} == {TOOLS, WEBHOOKS, MAINTENANCE}
    assert {route["queue"] for route in ROUTES.values()} < {queue.name for queue in QUEUES}


def test_what_is_due_is_a_task_and_does_not_pile_up():
    app.loader.import_default_modules()
    for entry in SCHEDULE.values():
        assert entry["task"] in app.tasks
        assert entry["options"]["expires"] == entry["schedule"]
