"""What load balancers are told."""

import pytest
from django.test import Client

from tests.services import redis_url as redis_url  # the name is the fixture

pytestmark = pytest.mark.django_db


def test_without_redis_the_database_is_all_that_has_to_answer(client: Client, settings):
    settings.REDIS_URL = ""
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "database": True})


def test_a_redis_that_is_configured_and_answers_is_ready(client: Client, settings, redis_url: str):
    settings.REDIS_URL = redis_url
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["redis"]) == (200, True)


def test_a_redis_that_is_configured_and_away_is_not_ready_but_alive(
    client: Client, settings, unused_tcp_port: int
):
    settings.REDIS_URL = f"redis://127.0.0.1:{unused_tcp_port}/0"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "database": True, "redis": False}
    assert client.get("/livez").status_code == 200
