"""How far a socket is behind, as /metrics tells it."""

import uuid

import pytest

from chat.conf import LogLimits
from chat.events.backends.memory import MemoryEventLog
from chat.events.fold import RunState
from chat.events.run_events import RunStarted, TextDelta
from chat.models import User
from chat.websocket.limits import Credit
from chat.websocket.subscription import Subscriptions

RUN = str(uuid.UUID(int=7))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log() -> MemoryEventLog:
    made = MemoryEventLog(LogLimits(), Clock())
    made.begin(RUN, 1, RunState("message"))
    made.append(RUN, 1, RunStarted(model="m", message="message"))
    return made


def reader(log: MemoryEventLog) -> Subscriptions:
    made = Subscriptions(User(), log=log, database=None, wake=lambda: None, look=lambda: None)  # type: ignore[arg-type]
    made.follow_started(RUN)
    return made


def test_the_backlog_is_what_was_told_and_not_taken(log: MemoryEventLog):
    slow, fast = reader(log), reader(log)
    for _ in range(9):
        log.append(RUN, 1, TextDelta("word "))
    fast.take(100)
    slow.take(4)
    assert (slow.backlog, fast.backlog) == (6, 0)


def test_what_was_given_back_counts_again(log: MemoryEventLog):
    slow = reader(log)
    slow.give_back(slow.take(1))
    assert slow.backlog == 1


def test_who_follows_nothing_is_not_behind(log: MemoryEventLog):
    gone = reader(log)
    gone.unfollow(RUN)
    assert gone.backlog == 0


def test_a_socket_is_blocked_from_the_first_event_that_does_not_fit_until_it_acknowledges():
    clock = Clock()
    credit = Credit(1, 1000, clock)
    credit.spend(RUN, (1, 1), 10)
    assert credit.blocked_seconds == 0
    credit.blocked()
    clock.now = 3.5
    assert credit.blocked_seconds == 3.5
    credit.acknowledge(RUN, (1, 1))
    assert credit.blocked_seconds == 0
