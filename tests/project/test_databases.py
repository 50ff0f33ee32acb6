"""What DATABASE_URL and the limits beside it become."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import connection

from chat.engine.database import DatabaseThreads
from project.databases import DatabaseLimits, database
from tests import many_machines
from tests.live import LiveSite, copy_site
from tests.postgres import name_for

LIMITS = DatabaseLimits(wait=1.5, pool=20, statement=30, idle_in_transaction=5)
POOL = 14


def test_sqlite_waits_for_its_lock_and_keeps_its_connections():
    made = database("sqlite:////tmp/x.sqlite3", LIMITS)
    assert made["OPTIONS"]["timeout"] == 1.5
    assert made["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert made["CONN_MAX_AGE"] is None


def test_postgresql_has_a_pool_that_checks_what_it_gives():
    made = database("postgres://alice:secret@db.example.org:5433/chat", LIMITS)
    assert (made["HOST"], made["PORT"], made["NAME"], made["USER"]) == (
        "db.example.org",
        5433,
        "chat",
        "alice",
    )
    assert made["OPTIONS"]["pool"]["max_size"] == 20
    assert made["OPTIONS"]["pool"]["timeout"] == 1.5
    assert made["CONN_HEALTH_CHECKS"] is True
    assert made["CONN_MAX_AGE"] == 0


def test_a_session_begins_with_its_limits():
    options = database("postgres:///chat", LIMITS)["OPTIONS"]["options"]
    assert options.split(" -c ") == [
        "-c lock_timeout=1500",
        "statement_timeout=30000",
        "idle_in_transaction_session_timeout=5000",
    ]


def test_a_limit_of_zero_is_left_to_the_server():
    limits = LIMITS._replace(statement=0, idle_in_transaction=0)
    assert database("postgres:///chat", limits)["OPTIONS"]["options"] == "-c lock_timeout=1500"


def test_what_the_url_says_of_the_connection_counts():
    options = database("postgres://h/chat?sslmode=require&connect_timeout=9", LIMITS)["OPTIONS"]
    assert options["sslmode"] == "require"
    assert str(options["connect_timeout"]) == "9"
    assert "pool" in options


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_the_server_has_heard_the_limits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        assert cursor.fetchone() == ("1500ms", "30s")


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
async def test_threads_that_have_nothing_to_do_hold_no_connection():
    threads = DatabaseThreads(4)

    def ask() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.01)")
        return "answered"

    assert await asyncio.gather(*(threads(ask) for _ in range(20))) == ["answered"] * 20
    figures = connection.pool.get_stats()
    # This thread, which has made the tables, may hold one.
    assert figures["pool_size"] - figures["pool_available"] <= 1
    assert figures["pool_size"] > 2
    await asyncio.to_thread(threads.close)


@pytest.fixture
def small_site(prepared_folder: Path, tmp_path: Path) -> Iterator[LiveSite]:
    folder = tmp_path / "data"
    copy_site(prepared_folder, folder)
    site = LiveSite(folder, settings={"DATABASE_POOL": str(POOL)})
    site.start()
    yield site
    site.stop()
    shutil.rmtree(folder)


@pytest.mark.postgresql
@pytest.mark.server
async def test_however_many_ask_at_once_a_process_opens_no_more_connections_than_it_may(small_site):
    person = small_site.sign_in("alice")
    server = many_machines.server
    assert server is not None
    async with httpx.AsyncClient(
        base_url=small_site.url, cookies=dict(person.http.cookies), timeout=30
    ) as client:
        answers = [asyncio.create_task(client.get("/")) for _ in range(60)]
        most = 0
        while not all(answer.done() for answer in answers):
            most = max(most, await asyncio.to_thread(_connections, server.url, name_for(small_site.folder)))
            await asyncio.sleep(0.02)
    assert {answer.result().status_code for answer in answers} == {200}
    assert 2 < most <= POOL


def _connections(url: str, name: str) -> int:
    with psycopg.connect(url) as line:
        found = line.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [name]).fetchone()
    assert found is not None
    return int(found[0])
