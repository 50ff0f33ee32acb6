"""Probes and scrapes while PostgreSQL is away, hangs, or is locked."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connections

from project.health import PATIENCE_SECONDS
from project.machine_pages import MachinePages
from project.scrape import Scrape
from tests import many_machines
from tests.beside import locked
from tests.postgres import Postgres
from tests.project.asgi import get
from tests.telemetry.reading import figures

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

MOST_SECONDS = 10 * PATIENCE_SECONDS
"""The machine may be busy; what hangs, hangs for ever."""


@pytest.fixture
def server(transactional_db: None) -> Iterator[Postgres]:
    """The very server this session runs on."""
    found = many_machines.server
    assert found is not None
    if not found.is_ours:
        pytest.skip("the server of TEST_DATABASE_URL is not ours to stop: unset it, and one is started here")
    yield found
    connections.close_all()


async def nothing_else(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError


async def asked(path: str) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    answer = await get(MachinePages(nothing_else, scrape=Scrape(fresh_seconds=0)), path)
    return answer, time.monotonic() - began


async def ready_again() -> None:
    async with asyncio.timeout(60):
        while (await asked("/readyz"))[0].status_code != 200:
            await asyncio.sleep(0.1)


@contextmanager
def paused(server: Postgres) -> Iterator[None]:
    """All of its processes: who is connected hears nothing, who connects is taken by nobody."""
    assert server._process is not None
    parent = server._process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    processes = [parent, *map(int, children)]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


async def test_a_database_that_is_away_is_said_so_and_is_ready_again_afterwards(server: Postgres):
    await ready_again()
    await asyncio.to_thread(server.stop)
    try:
        answer, seconds = await asked("/readyz")
        page, _ = await asked("/metrics")
    finally:
        await asyncio.to_thread(server.start)
    assert (answer.status_code, answer.json()["database"]) == (503, False)
    assert seconds < MOST_SECONDS
    assert figures(page.text)["lectern_database_up"] == 0
    await ready_again()


async def test_a_database_that_hangs_is_said_so_in_time(server: Postgres):
    await ready_again()
    with paused(server):
        answer, seconds = await asked("/readyz")
        page, page_seconds = await asked("/metrics")
        alive, _ = await asked("/livez")
    assert (answer.status_code, answer.json()["database"]) == (503, False)
    assert figures(page.text)["lectern_database_up"] == 0
    assert alive.status_code == 200
    assert max(seconds, page_seconds) < MOST_SECONDS
    await ready_again()


async def test_a_table_that_is_locked_leaves_the_database_ready_and_its_figures_absent(server: Postgres):
    await ready_again()
    with locked("chat_run"):
        answer, _ = await asked("/readyz")
        page, seconds = await asked("/metrics")
    assert answer.status_code == 200
    seen = figures(page.text)
    assert seen["lectern_database_up"] == 0
    assert 'lectern_runs_open{status="running"}' not in seen
    assert seconds < MOST_SECONDS
