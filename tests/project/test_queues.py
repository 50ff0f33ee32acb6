"""How many tasks wait in each queue, whatever the broker is."""

from typing import Any

import pytest

from project import queues
from project.celery import app
from tests.services import mortal_redis as mortal_redis  # the name is the fixture


@pytest.fixture(params=["memory", "redis"])
def any_broker(request, broker_at):
    if request.param == "memory":
        broker_at("memory://localhost/")
        # The memory's queues are the process's: whoever ran before may have left something.
        empty("tools", "webhooks", "maintenance")
    else:
        broker_at(request.getfixturevalue("mortal_redis").url)


def test_queues_that_nobody_has_used_are_empty(any_broker):
    assert queues.queue_depths() == {"tools": 0, "webhooks": 0, "maintenance": 0}


def test_what_waits_is_counted_by_queue(any_broker):
    for queue in ("maintenance", "maintenance", "tools"):
        # Over a line of its own: the application keeps those it has, to wherever they lead.
        with app.connection_for_write() as connection:
            app.send_task("nobody.knows.it", queue=queue, connection=connection)
    try:
        assert queues.queue_depths() == {"tools": 1, "webhooks": 0, "maintenance": 2}
    finally:
        empty("maintenance", "tools")
    assert queues.queue_depths() == {"tools": 0, "webhooks": 0, "maintenance": 0}


def test_a_broker_that_is_away_is_an_error_and_not_a_zero(broker_at, unused_tcp_port: int):
    broker_at(f"redis://127.0.0.1:{unused_tcp_port}/0")
    with pytest.raises(Exception, match="refused"):
        queues.queue_depths()


def empty(*queues: str) -> None:
    with app.connection_for_write() as connection:
        for queue in queues:
            channel: Any = connection.channel()
            channel.queue_purge(queue)
