"""What only a thread still holds is stored once the database is back."""

import pytest
from django.db import OperationalError

from chat.engine.storing import PAUSE_SECONDS, insist
from chat.exceptions import StorageUnavailable

pytestmark = pytest.mark.django_db(transaction=True)


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def away(times: int, error: type[Exception] = OperationalError):
    left = [None] * times

    def write() -> str:
        if left:
            left.pop()
            raise error("the database system is starting up")
        return "stored"

    return write


def test_it_is_tried_until_the_database_is_back():
    time = Time()
    assert insist(away(20), clock=lambda: time.now, sleep=time.sleep) == "stored"
    assert time.now == 20 * PAUSE_SECONDS


def test_after_a_minute_it_is_given_up():
    time = Time()
    with pytest.raises(StorageUnavailable):
        insist(away(1000), clock=lambda: time.now, sleep=time.sleep)
    assert 60 <= time.now < 61


def test_a_mistake_of_ours_is_not_tried_again():
    time = Time()
    with pytest.raises(ValueError, match="starting up"):
        insist(away(1, ValueError), clock=lambda: time.now, sleep=time.sleep)
    assert time.now == 0
