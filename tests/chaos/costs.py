"""What many processes cost on top: a viewer at another one, and knowing who lives (1,000 open runs, three nodes)."""

import asyncio
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from bench.drivers import AppEvent, AppFrame, AppLine, encode
from bench.report import row
from tests.chaos.bed import ROOT
from tests.chaos.ground import ground, percentile
from tests.chaos.idle_node import WARM_UP_SECONDS
from tests.chaos.report import Section
from tests.live import LiveSite, Person
from tests.postgres import Postgres, name_for, postgres
from tests.services import MORTAL_PORTS, MortalRedis, redis_binary, stop

MOST_ADDED_MS = 30.0
MOST_SHARE = 0.01
NODES = 3
DELTAS_A_SECOND = 50
HEADS = ("what", "on", "size", "p50", "p95", "goal")

MAKE_RUNS = """
from chat.models import Conversation, Message, Run, User
user = User.objects.create(username="owner")
conversation = Conversation.objects.create(owner=user)
messages = [Message(conversation=conversation, role="assistant") for _ in range({runs})]
Message.objects.bulk_create(messages)
import uuid
Run.objects.bulk_create(
    Run(user=user, conversation=conversation, message=one, start_key=uuid.uuid4()) for one in messages
)
"""


async def measure(
    loads: Sequence[int] = (1, 20),
    rounds: int = 5,
    runs: int = 1000,
    seconds: float = 60,
    most_share: float = MOST_SHARE,
    most_added_ms: float = MOST_ADDED_MS,
) -> Section:
    section = Section("What many processes cost", HEADS)
    for streams in loads:
        here, there = await _viewers(streams, rounds)
        added = median(t - h for h, t in zip(here, there, strict=True))
        size = f"{streams} runs of {DELTAS_A_SECOND} a second"
        section.add(row("words at their maker, ms", "daphne", size, f"{median(here):.1f}", "", ""))
        section.add(
            row(
                "at another process, ms",
                "Redis",
                size,
                f"{median(there):.1f}",
                "",
                f"+{added:.1f} ≤ +{MOST_ADDED_MS:.0f}",
            ),
            failed=added > most_added_ms,
        )
    for name, context in (("SQLite", nullcontext(None)), ("PostgreSQL", postgres(range(8100, 8110)))):
        with context as server:
            shares, database = await asyncio.to_thread(_idle, server, runs, seconds)
        also = f", database {database:.2%} for each" if server is not None else ""
        section.add(
            row(
                "heartbeat and reaper, share of a core",
                name,
                f"{runs} open runs, {NODES} nodes{also}",
                f"{median(shares):.2%}",
                f"{max(shares):.2%}",
                f"≤ {most_share:.0%}",
            ),
            failed=max(shares) > most_share,
        )
    section.note(
        f"Viewers: two server processes, one Redis, the same run at both, real sockets; medians of the p50 of {rounds} "
        f"rounds. Nodes: processes that do nothing else, for {seconds:g} s; median and most of them. The database's "
        "own share is that of all its processes, divided by the nodes."
    )
    return section


# --- a viewer at another process -----------------------------------------------------------------------------


class Viewer(AppLine):
    """Follows what somebody else has begun."""

    def on_event(self, frame: AppFrame, event: AppEvent, at_us: int) -> None:
        if event.type != "run.snapshot":  # what was said before: nobody was late
            super().on_event(frame, event, at_us)

    def follow(self, run: str) -> "asyncio.Future[str]":
        end = self.begin()
        self.socket.send(encode({"type": "run.follow", "ref": "3", "run": run, "after": None}))
        return end


async def _viewers(streams: int, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the upstream to a viewer at the maker, and at another process; a p50 each round."""
    model = f"stamp-n{4 * DELTAS_A_SECOND}-r{DELTAS_A_SECOND}"
    with tempfile.TemporaryDirectory() as folder, _redis(Path(folder)) as url:
        shared = {
            "REDIS_URL": url,
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "SECRET_KEY": uuid.uuid4().hex * 2,
        }
        with ground(stamps=[model], settings=shared) as found, _another(Path(folder), shared) as other:
            person = found.people[0]
            await _round(person, other, f"bench/{model}", streams)
            both = [await _round(person, other, f"bench/{model}", streams) for _ in range(rounds)]
    return [here for here, _ in both], [there for _, there in both]


async def _round(person: Person, other: LiveSite, model: str, streams: int) -> tuple[float, float]:
    here: list[tuple[int, int]] = []
    there: list[tuple[int, int]] = []
    headers = {"Cookie": person.cookie}
    makers = [AppLine(person.site.port, here, headers) for _ in range(streams)]
    viewers = [Viewer(other.port, there, headers) for _ in range(streams)]
    for line in (*makers, *viewers):
        await line.open()
    ends = [line.start(model) for line in makers]
    while not all(line.run for line in makers):
        await asyncio.sleep(0.01)
    ends += [viewer.follow(maker.run) for maker, viewer in zip(makers, viewers, strict=True)]
    await asyncio.wait_for(asyncio.gather(*ends), 60)
    # What viewers caught up with at first was said before they came.
    began = min(at for at, _ in there) + 500_000
    for line in (*makers, *viewers):
        line.close()
    return _p50(here, began), _p50(there, began)


def _p50(ages: list[tuple[int, int]], since: int) -> float:
    return percentile([age / 1000 for at, age in ages if at >= since], 0.5)


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    binary = redis_binary()
    assert binary is not None, "there is no Redis"
    server = MortalRedis(binary, folder, MORTAL_PORTS)
    try:
        yield server.url
    finally:
        stop(server.process)


@contextmanager
def _another(folder: Path, shared: dict[str, str]) -> Iterator[LiveSite]:
    (folder / "other").mkdir()
    site = LiveSite(folder / "other", settings=shared)
    site.start()
    try:
        yield site
    finally:
        site.stop()


# --- knowing who lives -----------------------------------------------------------------------------------------


def _idle(server: Postgres | None, runs: int, seconds: float) -> tuple[list[float], float]:
    """Shares of a core: of each node, and of the database for each."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"LOG_LEVEL": "ERROR"}
        if server is not None:
            settings["DATABASE_URL"] = server.make(name_for(Path(folder)))
        site = LiveSite(Path(folder), settings=settings)
        site.manage("migrate", "-v0")
        site.manage("shell", "-v0", "-c", MAKE_RUNS.format(runs=runs))
        words = [sys.executable, "-m", "tests.chaos.idle_node", str(-(-runs // NODES)), str(seconds)]
        nodes: list[subprocess.Popen[str]] = []
        for _ in range(NODES):
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            node = subprocess.Popen(words, cwd=ROOT, env=site.environment(), **pipes)
            # One after the other: each takes what is left.
            assert node.stdout is not None
            assert node.stdout.readline() == "ready\n"
            nodes.append(node)
        before = _cpu(server)
        for node in nodes:
            assert node.stdin is not None
            node.stdin.write("\n")
            node.stdin.flush()
        told = [node.communicate()[0] for node in nodes]
        used = _cpu(server) - before
        return [float(one) / seconds for one in told], used / (seconds + WARM_UP_SECONDS) / NODES


def _cpu(server: Postgres | None) -> float:
    if server is None:
        return 0.0
    first = psutil.Process(server.pid)
    times = [one.cpu_times() for one in (first, *first.children(recursive=True))]
    # Of the sessions that have ended, too.
    ended = times[0].children_user + times[0].children_system
    return float(ended + sum(one.user + one.system for one in times))
