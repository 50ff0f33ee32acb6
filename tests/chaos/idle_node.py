"""A node that only says that it lives and looks for runs that nobody makes; what that costs of a core.

`python -m tests.chaos.idle_node RUNS SECONDS` with the database of its environment: it takes RUNS for its own, so that
nothing is an orphan, says `ready`, waits for a line, and prints the CPU seconds of the SECONDS after it.
"""

import asyncio
import os
import random
import sys
import time
import uuid
from functools import partial

import django

WARM_UP_SECONDS = 3.0
"""The first passes compile what later ones find compiled."""


async def live(runs: int, seconds: float) -> float:
    from django.conf import settings

    from chat.engine import rescue
    from chat.engine.database import DatabaseThreads
    from chat.engine.heartbeat import Heartbeat, register
    from chat.engine.neighbours import birth_of
    from chat.engine.reaper import Reaper
    from chat.models import Node

    database = DatabaseThreads(settings.DATABASE_THREADS)
    node = await database(register, Node.Kind.WEB)
    made_here = frozenset(await database(take, node, runs))
    birth = birth_of(os.getpid())

    async def take_over(*, by_silence: bool) -> int:
        claim = partial(
            rescue.claim_orphans,
            node,
            birth=birth,
            lease_seconds=settings.LEASE_SECONDS,
            by_silence=by_silence,
            made_here=made_here,
        )
        rescued = await database(claim)
        assert not rescued.plans, "took over what another node makes"
        return 0

    clock = asyncio.get_running_loop().time
    reaper = Reaper(take_over, lease_seconds=settings.LEASE_SECONDS, clock=clock, uniform=random.uniform)
    heartbeat = Heartbeat(node, each_seconds=settings.HEARTBEAT_SECONDS, loop_turns=lambda: True)
    heartbeat.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    reaper.start()
    await asyncio.sleep(WARM_UP_SECONDS)
    before = time.process_time()
    await asyncio.sleep(seconds)
    used = time.process_time() - before
    await reaper.stop()
    heartbeat.stop()
    database.close()
    return used


def take(node: uuid.UUID, runs: int) -> list[str]:
    """As many of those that are nobody's yet."""
    from django.db.models.functions import Now

    from chat.models import Run

    free = list(Run.objects.open().filter(node=None).values_list("pk", flat=True)[:runs])
    Run.objects.filter(pk__in=free).update(node=node, epoch=1, status="running", claimed_at=Now())
    return [str(key) for key in free]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    sys.stdout.write(f"{asyncio.run(live(int(sys.argv[1]), float(sys.argv[2])))}\n")
