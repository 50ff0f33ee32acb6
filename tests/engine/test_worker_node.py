"""A worker process among the nodes."""

import time

import pytest

from chat.engine.worker_node import WorkerHeartbeat, own_node
from chat.models import Node
from tests.beside import locked

pytestmark = pytest.mark.django_db(transaction=True)


def until(there) -> None:
    give_up_at = time.monotonic() + 30
    while not there():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


@pytest.fixture
def heartbeat():
    beating = WorkerHeartbeat(each_seconds=0.02)
    yield beating
    beating.stop()


def test_its_key_is_known_before_its_row_is_there(heartbeat):
    assert own_node() == heartbeat.node
    assert not Node.objects.filter(pk=heartbeat.node).exists()


def test_it_is_a_worker_among_the_living_until_it_says_good_bye(heartbeat):
    heartbeat.start()
    until(Node.objects.filter(pk=heartbeat.node, kind=Node.Kind.WORKER).alive(5).exists)
    heartbeat.stop()
    assert Node.objects.get(pk=heartbeat.node).stopped_at is not None


def test_a_database_that_is_away_at_the_start_is_waited_for(heartbeat, caplog):
    with locked("chat_node"):
        heartbeat.start()
        until(lambda: "node not registered" in caplog.text)
    until(Node.objects.filter(pk=heartbeat.node).exists)


def test_one_that_never_began_says_no_good_bye(heartbeat):
    heartbeat.stop()
    assert not Node.objects.exists()
