"""A busy event loop keeps its process's runs, one that hangs loses them."""

import asyncio
import threading
import time

import pytest
from django.db import connection

from chat import wiring
from chat.models import Node

pytestmark = pytest.mark.django_db(transaction=True)

LONG, SHORT = 4.0, 0.6


@pytest.fixture
def lease(request):
    return request.param


@pytest.fixture
async def runtime(transactional_db, settings, lease):
    settings.LEASE_SECONDS, settings.HEARTBEAT_SECONDS = lease, 0.1
    yield await wiring.startup()
    await wiring.shutdown(grace_seconds=0)


class Watch:
    """Another process's view of a node, ten times a second."""

    def __init__(self, node, lease):
        self._node, self._lease = node, lease
        self._ended = threading.Event()
        self.seen: list[bool] = []
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _look(self):
        while not self._ended.wait(0.1):
            self.seen.append(Node.objects.alive(self._lease).filter(pk=self._node).exists())
        connection.close()


@pytest.mark.parametrize("lease", [LONG], indirect=True)
async def test_a_loop_that_is_busy_for_a_moment_again_and_again_keeps_its_runs(runtime, lease):
    with Watch(runtime.node, lease) as watch:
        for _ in range(6):
            time.sleep(0.4)  # noqa: ASYNC251  (the loop is busy)
            await asyncio.sleep(0.06)
    assert len(watch.seen) > 5
    assert all(watch.seen)


@pytest.mark.parametrize("lease", [SHORT], indirect=True)
async def test_a_loop_that_hangs_loses_them_although_the_process_lives(runtime, lease):
    with Watch(runtime.node, lease) as watch:
        await asyncio.sleep(0.3)
        time.sleep(4 * lease)  # noqa: ASYNC251  (the loop hangs)
        assert watch.seen[0]
        assert not watch.seen[-1]
        async with asyncio.timeout(10):
            while not watch.seen[-1]:
                await asyncio.sleep(0.1)
