"""A web process, workers for its tools over a Redis, or the worker inside it, and what the tools did outside."""

import json
import os
import signal
import sqlite3
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.live import LiveSite, Socket, copy_site, database_url
from tests.project.workers import Process, wait_for
from tests.services import MISSING, MortalRedis, redis_binary, stop

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.chaos.tools.settings", "LOOP_INVOCATIONS": "64"}
ROWS = """
SELECT id, name, status, attempts, result, worker_birth FROM chat_toolinvocation ORDER BY id
"""


@dataclass(frozen=True)
class Row:
    id: str
    tool: str
    status: str
    attempts: int
    result: str
    birth: str


@dataclass
class Tooled:
    site: LiveSite
    outside: Path

    def worker(self, pool: str, *, stay: float = 0.1, concurrency: int = 5, **settings: str) -> Process:
        words = ["worker", "-Q", "tools", "-P", pool, "-c", str(concurrency)]
        more = {"STAY_SECONDS": str(stay), "POOL": pool, **settings}
        return Process(self.site, words, "worker ready", more)

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Socket]:
        async with self.site.sign_in().socket() as tab:
            yield tab

    def lines(self, what: str = "began") -> list[dict[str, Any]]:
        if not self.outside.exists():
            return []
        lines = [json.loads(line) for line in self.outside.read_text().splitlines()]
        return [line for line in lines if line["what"] == what]

    def rows(self) -> dict[str, Row]:
        found = [Row(str(uuid.UUID(str(key))), *rest) for key, *rest in self.sql(ROWS)]
        return {row.id: row for row in found}

    def given_out(self) -> dict[str, float]:
        """When each was last sent to a worker."""
        rows = self.sql("SELECT id, dispatched_at FROM chat_toolinvocation WHERE dispatched_at IS NOT NULL")
        return {str(uuid.UUID(str(key))): moment(at) for key, at in rows}

    def all_ended(self) -> bool:
        return self.sql("SELECT count(*) FROM chat_run WHERE finished_at IS NULL") == [(0,)]

    def sql(self, question: str) -> list[tuple[Any, ...]]:
        url = database_url(self.site.folder)
        line: Any = (
            psycopg.connect(url, autocommit=True)
            if url
            else sqlite3.connect(self.site.folder / "db.sqlite3", isolation_level=None, timeout=10)
        )
        try:
            done = line.execute(question)
            return list(done.fetchall()) if done.description else []
        finally:
            line.close()

    def set_apart(self) -> None:
        """As on machines of their own: nobody can ask the kernel about who works now."""
        self.sql("UPDATE chat_node SET birth = '' WHERE kind = 'worker'")
        self.sql("UPDATE chat_toolinvocation SET worker_birth = '' WHERE status = 'running'")


async def ask(tab: Socket, *calls: tuple[str, dict[str, Any]]) -> str:
    """Starts a run whose model calls all of these at once."""
    text = " ".join(f"call:{name} {json.dumps(arguments)}" for name, arguments in calls)
    content = [{"type": "text", "text": text}]
    reply = await tab.ask("run.start", key=str(uuid.uuid4()), models=["demo/demo"], content=content)
    assert reply["ok"], reply
    return str(reply["run"])


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill_tree(process: Process) -> None:
    children = children_of(process.pid)
    process.kill()
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def until(found: Callable[[], Any], seconds: float = 30.0) -> Any:
    return wait_for(found, seconds)


@contextmanager
def tooled(prepared: Path | None = None, *, redis: bool = True, **settings: str) -> Iterator[Tooled]:
    """Started; its workers are to be started by who needs them. `prepared`: a data folder to be copied."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        outside = folder / "outside"
        more = {**SETTINGS, "OUTSIDE": str(outside), "STAY_SECONDS": "0.1", **settings}
        if redis:
            binary = redis_binary()
            if binary is None:
                raise RuntimeError(MISSING)
            server = MortalRedis(binary, folder)
            stack.callback(stop, server.process)
            more["REDIS_URL"] = server.url
        site = LiveSite(folder / "site", settings=more)
        if prepared is not None:
            copy_site(prepared, site.folder)
        else:
            site.folder.mkdir()
            site.prepare()
            site.manage(
                "add_provider", "demo", "--dialect", "openai_chat", "--base-url", "demo:", "--model", "demo"
            )
        site.start(*(["--no-worker"] if redis else []))
        stack.callback(lambda: site.stop(signal.SIGKILL))
        yield Tooled(site, outside)


def moment(value: Any) -> float:
    """A time of the database; SQLite's is a text without a zone."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return float((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
