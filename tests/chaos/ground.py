"""What sections about a whole server run on: a real one, a fresh database, people who sign in, an upstream."""

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bench.processes import Processes
from bench.servers import start_upstream
from tests.chaos.bed import UpstreamProcess, upstream_process
from tests.live import PASSWORD, LiveSite, Person, Socket
from tests.postgres import Postgres

SERVERS = ("daphne", "uvicorn")

# One process instead of four: each takes two seconds to begin.
PREPARE = """
import json
from django.core.management import call_command
from chat.models import LanguageModel, Provider, User
call_command("migrate", verbosity=0)
plan = json.loads({plan!r})
for name in plan["people"]:
    User.objects.create_user(name, password={password!r})
for name, (base_url, models) in plan["providers"].items():
    provider = Provider.objects.create(name=name, base_url=base_url)
    for model in models:
        LanguageModel.objects.create(provider=provider, name=model)
"""


@dataclass
class Ground:
    """`demo` says numbered words, `bench` says when each of its words was said (bench/stamps.py)."""

    site: LiveSite
    upstream: UpstreamProcess
    people: list[Person] = field(default_factory=list)

    @property
    def process(self) -> psutil.Process:
        assert self.site.process is not None
        return psutil.Process(self.site.process.pid)

    def memory(self) -> int:
        """The server's, in bytes."""
        return int(self.process.memory_info().rss)

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Past the server, on a connection of its own; committed at once. Values stand for `?`."""
        url = self.site.environment()["DATABASE_URL"]
        if url.startswith("postgres"):
            with psycopg.connect(url, autocommit=True) as line:
                cursor = line.execute(statement.replace("?", "%s").encode(), values)
                return cursor.fetchall() if cursor.description else []
        file = sqlite3.connect(self.site.folder / "db.sqlite3", isolation_level=None, timeout=20)
        try:
            return file.execute(statement, values).fetchall()
        finally:
            file.close()

    def key(self, value: str) -> str:
        """A UUID as `query` compares it: SQLite keeps the digits alone."""
        return value if self.site.environment()["DATABASE_URL"] else value.replace("-", "")


@contextmanager
def ground(
    server: str = "daphne",
    *,
    people: int = 1,
    models: Sequence[str] = (),
    stamps: Sequence[str] = (),
    database: Postgres | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Ground]:
    """`models` of the demo upstream, `stamps` of the bench's; people are named `p0`, `p1` …, and signed in."""
    with tempfile.TemporaryDirectory() as folder, upstream_process() as upstream:
        data = Path(folder) / "data"
        data.mkdir()
        own = dict(settings or {})
        if database is not None:
            own["DATABASE_URL"] = database.make("chaos")
        site = LiveSite(data, settings=own, server=server)
        with Processes(Path(folder)) as processes:
            providers: dict[str, Any] = {"demo": (upstream.base_url, models)}
            if stamps:
                bench = start_upstream(processes)
                providers["bench"] = (f"http://127.0.0.1:{bench.port}/v1", stamps)
            plan = {"people": [f"p{number}" for number in range(people)], "providers": providers}
            site.manage("shell", "-v0", "-c", PREPARE.format(plan=json.dumps(plan), password=PASSWORD))
            site.start()
            try:
                yield Ground(site, upstream, [site.sign_in(name) for name in plan["people"]])
            finally:
                if site.process is not None:
                    site.stop()


async def begin(tab: Socket, model: str, key: str, **more: Any) -> dict[str, Any]:
    """A `run.start` and its reply."""
    content = [{"type": "text", "text": "hello"}]
    return await tab.ask("run.start", key=key, models=[model], **{"content": content, **more})


async def all_events(tab: Socket, run: str, *, ack_each: int = 50) -> list[dict[str, Any]]:
    """As `Socket.events`, for thousands: acknowledged as browsers do it, some at once."""
    told: list[dict[str, Any]] = [one for one in tab.seen if one["type"] == "event" and one["run"] == run]
    tab.seen.clear()
    while not told or told[-1]["event"]["type"] != "run.finished":
        frame = await tab.next()
        tab.seen.clear()
        if frame["type"] == "event" and frame["run"] == run:
            told.append(frame)
            if len(told) % ack_each == 0:
                await tab.ack(frame)
    return told


def percentile(values: Sequence[float], share: float) -> float:
    """nan of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
