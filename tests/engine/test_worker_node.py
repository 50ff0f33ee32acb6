"""A worker process among the nodes."""

import os
import subprocess
import time

import pytest

from chat.engine import worker_node
from chat.engine.neighbours import birth_of
from chat.engine.worker_node import WorkerHeartbeat, in_vain, let_go_of_the_dead, own_node
from chat.models import Node, ToolInvocation
from chat.models.tools import tell_nobody
from tests.beside import locked
from tests.factories import NodeFactory, RunFactory

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


def claimed_by(node, birth):
    run = RunFactory.create()
    row = ToolInvocation.objects.create(
        user=run.user, conversation=run.conversation, run=run, step=1, call_id="c", name="n", kind="local"
    )
    ToolInvocation.objects.claim(row.pk, node=node, birth=birth)
    return row


def test_what_a_dead_child_had_is_let_go_and_nothing_else():
    ours = birth_of(os.getpid())
    node = NodeFactory.create(kind=Node.Kind.WORKER)
    dead = subprocess.Popen(["true"])
    dead_birth = birth_of(dead.pid)
    dead.wait()
    lost = claimed_by(node.pk, dead_birth)
    kept = claimed_by(node.pk, ours)
    assert let_go_of_the_dead(node.pk, ours) == 1
    lost.refresh_from_db()
    kept.refresh_from_db()
    assert (lost.node_id, kept.node_id) == (None, node.pk)


def test_a_tool_works_in_vain_some_time_after_nobody_waits_for_it_any_more(monkeypatch):
    node = NodeFactory.create(kind=Node.Kind.WORKER)
    stopped, working = claimed_by(node.pk, ""), claimed_by(node.pk, "")
    ToolInvocation.objects.cancel([stopped.pk], tell=tell_nobody)
    assert in_vain([stopped.pk, working.pk]) == set()
    monkeypatch.setattr(worker_node, "NOTICE_SECONDS", 0)
    time.sleep(0.01)
    assert in_vain([stopped.pk, working.pk]) == {stopped.pk}
