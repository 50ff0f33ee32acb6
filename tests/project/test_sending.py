"""The door by which tasks are sent, with a broker that says no."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from chat.wiring.sending import AWAY_SECONDS, Sender
from project.broker import KEY_PREFIX
from tests.live import ROOT

SEVERAL_AT_ONCE = """
import django
django.setup()
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from chat.wiring.sending import send_tool
calls = [SimpleNamespace(id=str(number), name="calculate", kind="local", queue="", seconds=10.0) for number in range(8)]
with ThreadPoolExecutor(8) as threads:
    list(threads.map(send_tool, calls))
"""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Broker:
    """What is at the wire: Celery's `send_task`, which raises what its broker's client does."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.sent: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.tries = 0

    def __call__(self, task: str, args: tuple[Any, ...], **options: Any) -> None:
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.sent.append((task, args, options))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_task_is_sent_by_its_name_with_its_arguments(clock: Clock):
    broker = Broker()
    assert Sender(broker, clock)("tools.hammer", 1, "two", queue="slow")
    assert broker.sent == [("tools.hammer", (1, "two"), {"queue": "slow"})]


def test_a_broker_that_is_away_is_told_and_not_raised(clock: Clock):
    assert not Sender(Broker(OperationalError("away")), clock)("tools.hammer")


def test_after_a_failure_nobody_tries_for_a_second(clock: Clock):
    broker = Broker(OperationalError("away"))
    send = Sender(broker, clock)
    assert [send("tools.hammer"), send("tools.hammer")] == [False, False]
    assert broker.tries == 1
    clock.now += AWAY_SECONDS
    broker.error = None
    assert send("tools.hammer")


def test_a_mistake_of_ours_is_raised(clock: Clock):
    with pytest.raises(TypeError):
        Sender(Broker(TypeError("not JSON")), clock)("tools.hammer")


def test_a_process_that_has_imported_no_task_sends_several_tools_at_once(redis_url: str, tmp_path: Path):
    """Celery imports an application's tasks once, and tells whoever asks meanwhile that there are none."""
    more = {"DATA_DIR": str(tmp_path), "REDIS_URL": redis_url, "DJANGO_SETTINGS_MODULE": "project.settings"}
    subprocess.run([sys.executable, "-c", SEVERAL_AT_ONCE], cwd=ROOT, env=os.environ | more, check=True)
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen(f"{KEY_PREFIX}tools") == 8


def test_what_the_site_sends_goes_by_the_sites_application():
    import project  # noqa: F401  (as Django imports it with the settings)
    from chat.tasks import prune

    assert isinstance(prune.app, Celery)
    assert prune.app.main == "project"
