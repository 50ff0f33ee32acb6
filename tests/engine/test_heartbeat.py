"""A process says that it lives, as long as its event loop turns."""

import time

import pytest

from chat.engine.heartbeat import Heartbeat, register
from chat.engine.pressure import LoopPressure
from chat.models import Node

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def node():
    return register(Node.Kind.WEB)


def beating(node, turns):
    heartbeat = Heartbeat(node, each_seconds=0.02, loop_turns=lambda: turns[0])
    heartbeat.start()
    return heartbeat


def until(there) -> None:
    give_up_at = time.monotonic() + 10
    while not there():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def heard(node):
    return Node.objects.get(pk=node).heartbeat_at


def test_it_is_heard_again_and_again_and_says_good_bye(node):
    first = heard(node)
    heartbeat = beating(node, [True])
    until(lambda: heard(node) > first)
    heartbeat.stop()
    assert Node.objects.get(pk=node).stopped_at is not None


def test_a_process_whose_loop_hangs_is_not_heard_until_it_turns_again(node, caplog):
    turns = [True]
    heartbeat = beating(node, turns)
    first = heard(node)
    until(lambda: heard(node) > first)
    turns[0] = False
    until(lambda: "event loop hangs" in caplog.text)
    time.sleep(0.1)
    last = heard(node)
    time.sleep(0.2)
    assert heard(node) == last
    turns[0] = True
    until(lambda: heard(node) > last)
    heartbeat.stop()
    assert caplog.text.count("event loop hangs") == 1


def test_who_was_taken_for_dead_and_lives_says_so(node):
    birth = Node.objects.get(pk=node).birth
    Node.objects.filter(pk=node).update(birth=birth or "here:1:1")
    assert Node.objects.bury([birth or "here:1:1"]) == 1
    heartbeat = beating(node, [True])
    until(lambda: Node.objects.get(pk=node).stopped_at is None)
    heartbeat.stop()


def test_a_loop_that_came_round_lately_turns():
    now = [100.0]
    pressure = LoopPressure(lambda: now[0])
    now[0] += 5
    assert pressure.turned_within(5)
    now[0] += 0.1
    assert not pressure.turned_within(5)
