"""How slowly a request may come in, by a clock of the test's own."""

import pytest

from project.servers import base
from project.servers.arrival import Arrival


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def late(arrival: Arrival) -> bool:
    return arrival.late


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def arrival(clock: Clock) -> Arrival:
    return Arrival(clock)


def test_a_new_connection_owes_a_head_whether_it_says_something_or_not(arrival: Arrival, clock: Clock):
    clock.now += base.HEAD_SECONDS
    arrival.received(1)
    assert not late(arrival)
    clock.now += 1
    assert late(arrival)


def test_a_head_may_be_so_long_and_no_longer(arrival: Arrival):
    arrival.received(base.MAX_HEAD_BYTES)
    assert not arrival.head_is_too_long
    arrival.received(1)
    assert arrival.head_is_too_long


def test_a_body_may_take_longer_the_more_of_it_has_come(arrival: Arrival, clock: Clock):
    arrival.head_read()
    clock.now += base.BODY_SECONDS + 1
    assert late(arrival)
    arrival.received(base.LEAST_BYTES_PER_SECOND)
    assert not late(arrival)
    clock.now += 0.5
    assert late(arrival)


def test_while_an_answer_is_made_the_peer_is_never_late(arrival: Arrival, clock: Clock):
    arrival.head_read()
    arrival.all_read()
    clock.now += 10_000
    assert not late(arrival)


def test_between_two_requests_the_head_s_time_begins_with_its_first_byte(arrival: Arrival, clock: Clock):
    arrival.head_read()
    arrival.all_read()
    arrival.answered()
    clock.now += 10_000
    assert not late(arrival)
    arrival.received(1)
    clock.now += base.HEAD_SECONDS
    assert not late(arrival)
    clock.now += 1
    assert late(arrival)
