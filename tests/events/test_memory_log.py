"""What the memory log keeps, and for how long."""

import pytest

from chat.events.backends.base import FellBehind, UnknownRun
from chat.events.backends.memory import MemoryEventLog
from chat.events.fold import RunState
from chat.events.run_events import TextDelta
from tests.events.logs import SMALL, Rig, ignore


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(clock):
    return MemoryEventLog(SMALL, clock)


@pytest.fixture
def rig(log):
    return Rig(log, log)


def another_run_ends(log):
    log.begin("another", 1, RunState())
    log.end("another", 1)


def test_an_ended_run_is_kept_for_its_time_and_then_forgotten(log, rig, clock):
    rig.begin()
    log.end(rig.run, 1)
    clock.now += 599
    assert rig.follow().take(10)
    clock.now += 2
    another_run_ends(log)
    with pytest.raises(UnknownRun):
        rig.follow()


def test_a_running_run_is_never_forgotten(log, rig, clock):
    rig.begin()
    clock.now += 100_000
    another_run_ends(log)
    assert rig.follow().take(10)


def test_ended_runs_together_stay_within_their_bytes(log):
    for number in range(30):
        log.begin(f"run {number}", 1, RunState())
        for _ in range(10):
            log.append(f"run {number}", 1, TextDelta("y" * 100))
        log.end(f"run {number}", 1)
    with pytest.raises(UnknownRun):
        log.follow("run 0", None, ignore)
    assert len(log.follow("run 29", None, ignore).take(100)) == 10


def test_a_run_that_nobody_went_on_with_is_forgotten_like_an_ended_one(log, rig, clock):
    rig.begin()
    feed = rig.follow()
    feed.take(10)
    log.let_go(rig.run, 1)
    assert feed.take(10) == []
    clock.now += 601
    log.forget_old()
    with pytest.raises(FellBehind):
        feed.take(10)
    with pytest.raises(UnknownRun):
        rig.follow()
