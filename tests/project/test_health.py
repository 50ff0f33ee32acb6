"""What load balancers are told."""

import signal
import time
from pathlib import Path

import pytest

from chat import wiring
from project.asgi import application
from project.health import PATIENCE_SECONDS
from project.machine_pages import MachinePages
from tests.project.asgi import get
from tests.services import MortalRedis
from tests.services import mortal_redis as mortal_redis  # the name is the fixture
from tests.services import redis_url as redis_url  # the name is the fixture

pytestmark = pytest.mark.django_db(transaction=True)

MOST_SECONDS = 10 * PATIENCE_SECONDS
"""The machine may be busy; what hangs, hangs for ever."""


async def readyz() -> tuple[int, dict[str, object]]:
    # As at the first request: what was answered a moment ago counts for half a second.
    answer = await get(MachinePages(application), "/readyz")
    return answer.status_code, answer.json()


@pytest.fixture(autouse=True)
def _without_redis(settings):
    settings.REDIS_URL = ""


async def test_without_redis_the_database_is_all_that_has_to_answer():
    assert await readyz() == (200, {"status": "ok", "database": True})


async def test_a_redis_that_is_configured_and_answers_is_ready(settings, redis_url: str):
    settings.REDIS_URL = redis_url
    assert await readyz() == (200, {"status": "ok", "database": True, "redis": True})


async def test_a_redis_that_is_configured_and_away_is_not_ready_but_alive(settings, unused_tcp_port: int):
    settings.REDIS_URL = f"redis://127.0.0.1:{unused_tcp_port}/0"
    assert await readyz() == (503, {"status": "unavailable", "database": True, "redis": False})
    assert (await get(application, "/livez")).status_code == 200


async def test_a_broker_that_is_no_part_of_this_process_has_to_answer(
    settings, broker_at, mortal_redis: MortalRedis
):
    broker_at(mortal_redis.url)
    assert await readyz() == (200, {"status": "ok", "database": True, "broker": True})
    mortal_redis.kill()
    assert await readyz() == (503, {"status": "unavailable", "database": True, "broker": False})


async def test_a_redis_that_hangs_is_said_so_in_time_and_is_ready_again_afterwards(
    settings, broker_at, mortal_redis: MortalRedis
):
    settings.REDIS_URL = mortal_redis.url
    broker_at(mortal_redis.url)
    mortal_redis.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        said = await readyz()
        seconds = time.monotonic() - began
    finally:
        mortal_redis.process.send_signal(signal.SIGCONT)
    assert said == (503, {"status": "unavailable", "database": True, "redis": False, "broker": False})
    assert seconds < MOST_SECONDS
    give_up_at = time.monotonic() + 30
    while (said := await readyz())[0] != 200:
        assert time.monotonic() < give_up_at, said


async def test_a_database_that_is_away_is_not_ready(no_database):
    assert await readyz() == (503, {"status": "unavailable", "database": False})


async def test_a_process_that_drains_is_not_ready_but_alive():
    runtime = await wiring.startup()
    try:
        assert (await readyz())[0] == 200
        runtime.supervisor.draining = True
        assert await readyz() == (503, {"status": "draining"})
        assert (await get(application, "/livez")).status_code == 200
    finally:
        await wiring.shutdown(grace_seconds=0)


@pytest.fixture
def no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """New connections of this process lead nowhere."""
    from django.db import connection

    away = {"NAME": str(tmp_path / "absent" / "db.sqlite3"), "HOST": "127.0.0.1", "PORT": 1, "OPTIONS": {}}
    for name, value in away.items():
        monkeypatch.setitem(connection.settings_dict, name, value)
