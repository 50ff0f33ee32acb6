"""N web processes, a Redis and a PostgreSQL of their own, a provider over real HTTP, and people who are signed in."""

import itertools
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import psycopg

from tests.chaos.bed import UpstreamProcess, upstream_process
from tests.chaos.fleet import witness
from tests.chaos.fleet.viewer import Viewer
from tests.live import PASSWORD, LiveSite
from tests.postgres import Postgres, name_for, postgres
from tests.services import MISSING, MortalRedis, redis_binary, stop

SECRET = "the same on all, and long enough to be one: 0123456789abcdef"
NAMES = ("ann", "ben", "cat", "dan", "eve", "fay", "gus", "hal")
MAKE_PEOPLE = f"""
from chat.models import User
for name in {NAMES!r}:
    User.objects.create_user(name, f"{{name}}@example.org", {PASSWORD!r})
"""
STORED = """
SELECT r.id, r.status, r.epoch, m.parts, (SELECT count(*) FROM chat_modelcall c WHERE c.run_id = r.id)
FROM chat_run r JOIN chat_message m ON m.id = r.message_id
"""


@dataclass(frozen=True)
class Size:
    """One process with a file and nothing else, or many with what they share."""

    webs: int = 2
    people: int = 4
    settings: dict[str, str] = field(default_factory=dict)
    servers: tuple[str, ...] = ("daphne", "uvicorn")
    """In turn."""
    words: tuple[str, ...] = ()
    """To `serve`."""

    @property
    def embedded(self) -> bool:
        return self.webs == 1


@dataclass(frozen=True)
class Stored:
    """A run as the database has it."""

    run: str
    status: str
    epoch: int
    text: str
    calls: int


@dataclass
class Fleet:
    sites: list[LiveSite]
    upstream: UpstreamProcess
    database_url: str
    cookies: list[str]
    redis: MortalRedis | None = None
    models: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    """With which its processes were started."""
    expected: dict[str, str] = field(default_factory=dict)
    """What each run that was ever started has to say."""

    @property
    def ports(self) -> list[int]:
        return [site.port for site in self.sites]

    def viewer(self, person: int, *doors: int, **more: Any) -> Viewer:
        """A tab; the numbers of the processes that it asks in turn."""
        ports = [self.ports[door] for door in doors] or self.ports
        return Viewer(self.cookies[person % len(self.cookies)], ports, **more)

    def model(self, deltas: int, per_second: int, first_ms: int = 100) -> str:
        """The name of one that says so many words, so fast."""
        name = f"demo-n{deltas}-r{per_second}-d{first_ms}"
        if name not in self.models:
            self.models[name] = f"fleet/{name}"
            names = [word for model in self.models for word in ("--model", model)]
            place = self.upstream.base_url
            self.sites[0].manage(
                "add_provider", "fleet", "--dialect", "openai_chat", "--base-url", place, *names
            )
        return self.models[name]

    def calls_seen(self) -> int:
        answer = httpx.get(self.upstream.base_url.removesuffix("/v1") + "/stats", trust_env=False)
        return int(answer.json()["total"])

    def calls_billed(self) -> int:
        [(count,)] = self.rows("SELECT count(*) FROM chat_modelcall")
        return int(count)

    def set_apart(self) -> dict[Any, str]:
        """As on machines of their own: none can ask the kernel about another that runs now. How to undo it."""
        with psycopg.connect(self.database_url) as line:
            births = line.execute("SELECT id, birth FROM chat_node WHERE birth <> ''").fetchall()
            line.execute("UPDATE chat_node SET birth = ''")
        return dict(births)

    def bring_together(self, births: dict[Any, str]) -> None:
        with psycopg.connect(self.database_url) as line:
            for node, birth in births.items():
                line.execute("UPDATE chat_node SET birth = %s WHERE id = %s", (birth, node))

    def stored(self) -> dict[str, Stored]:
        found = {}
        for run, status, epoch, parts, calls in self.rows(STORED):
            said = msgspec.json.decode(parts) if isinstance(parts, str) else parts
            text = "".join(part["text"] for part in said if part["type"] == "text")
            found[str(UUID(str(run)))] = Stored(str(UUID(str(run))), status, epoch, text, calls)
        return found

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        if self.database_url.startswith("sqlite:///"):
            line: Any = sqlite3.connect(self.database_url.removeprefix("sqlite:///"))
        else:
            line = psycopg.connect(self.database_url, autocommit=True)
        try:
            return list(line.execute(question).fetchall())
        finally:
            line.close()


@contextmanager
def fleet(size: Size, server: Postgres | None = None) -> Iterator[Fleet]:
    """Started and ready. `server`: a PostgreSQL that is there already."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(upstream_process())
        redis = None if size.embedded else stack.enter_context(_mortal_redis(folder))
        if size.embedded:
            url = f"sqlite:///{folder / 'web-0' / 'db.sqlite3'}"
        else:
            database = server or stack.enter_context(postgres())
            url = database.make(name_for(folder))
            stack.callback(database.drop, name_for(folder))
        servers = itertools.islice(itertools.cycle(size.servers), size.webs)
        sites = [_site(folder / f"web-{n}", kind, size, url, redis) for n, kind in enumerate(servers)]
        sites[0].manage("migrate", "-v0")
        sites[0].manage("shell", "-v0", "-c", MAKE_PEOPLE)
        if not size.embedded:
            witness.watch(url)
        stack.callback(_end, sites)
        for site in sites:
            site.start(*size.words)
        cookies = [sites[0].sign_in(name).cookie for name in itertools.islice(NAMES, size.people)]
        yield Fleet(sites, upstream, url, cookies, redis, words=size.words)


def _site(folder: Path, server: str, size: Size, url: str, redis: MortalRedis | None) -> LiveSite:
    folder.mkdir()
    settings = {"SECRET_KEY": SECRET, "LOG_LEVEL": "INFO", **size.settings}
    if redis is not None:
        # So that the database knows who writes.
        settings |= {"DATABASE_URL": f"{url}?application_name={folder.name}", "REDIS_URL": redis.url}
    return LiveSite(folder, settings=settings, server=server)


@contextmanager
def _mortal_redis(folder: Path) -> Iterator[MortalRedis]:
    binary = redis_binary()
    if binary is None:
        raise RuntimeError(MISSING)
    redis = MortalRedis(binary, folder)
    try:
        yield redis
    finally:
        stop(redis.process)


def _end(sites: Sequence[LiveSite]) -> None:
    for site in sites:
        if site.process is not None:
            site.wake()
            site.stop(signal.SIGKILL)


def keep_logs(fleet: Fleet, place: Path) -> None:
    """For whoever wants to know why."""
    place.mkdir(parents=True, exist_ok=True)
    for site in fleet.sites:
        shutil.copy(site.folder / "server.log", place / f"{site.folder.name}.log")
