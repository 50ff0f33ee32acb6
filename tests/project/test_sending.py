"""The door by which tasks are sent, with a broker that says no."""

from typing import Any

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from chat.wiring.sending import AWAY_SECONDS, Sender


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Task:
    """What is at the wire: Celery's task, which raises what its broker's client does."""

    name = "tools.hammer"

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.sent: list[tuple[Any, ...]] = []
        self.tries = 0

    def apply_async(self, arguments: tuple[Any, ...], **_: Any) -> None:
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.sent.append(arguments)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_task_is_sent_with_its_arguments(clock: Clock):
    task = Task()
    assert Sender(clock)(task, 1, "two")  # type: ignore[arg-type]
    assert task.sent == [(1, "two")]


def test_a_broker_that_is_away_is_told_and_not_raised(clock: Clock):
    assert not Sender(clock)(Task(OperationalError("away")))  # type: ignore[arg-type]


def test_after_a_failure_nobody_tries_for_a_second(clock: Clock):
    send, task = Sender(clock), Task(OperationalError("away"))
    assert [send(task), send(task)] == [False, False]  # type: ignore[arg-type]
    assert task.tries == 1
    clock.now += AWAY_SECONDS
    task.error = None
    assert send(task)  # type: ignore[arg-type]


def test_a_mistake_of_ours_is_raised(clock: Clock):
    with pytest.raises(TypeError):
        Sender(clock)(Task(TypeError("not JSON")))  # type: ignore[arg-type]


def test_what_the_site_sends_goes_by_the_sites_application():
    import project  # noqa: F401  (as Django imports it with the settings)
    from chat.tasks import prune

    assert isinstance(prune.app, Celery)
    assert prune.app.main == "project"
