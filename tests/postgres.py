"""A PostgreSQL for tests: that of TEST_DATABASE_URL, else one started from the machine's or a wheel's binaries."""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
from psycopg import sql

from project.stack.binaries import NO_POSTGRES
from project.stack.binaries import postgres_binaries as binaries
from project.stack.ports import is_free
from project.stack.rights import NobodyElse, as_whom, reachable_binaries

PORTS = range(8160, 8170)
"""A small range of its own, so that a server that was left behind is easily found."""
PATIENCE_SECONDS = 30.0

MISSING = f"there is no PostgreSQL: set TEST_DATABASE_URL, or {NO_POSTGRES}"

# It is thrown away: nothing needs to survive the machine. (What is committed does survive the server being killed.)
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "logging_collector": "off",
}


class PostgresMissing(Exception):
    """Says what to do about it."""


@dataclass
class Postgres:
    """A server and the URL of one of its databases. `start` and `stop` only where it is our own."""

    url: str
    binaries: Path | None = None
    folder: Path | None = None
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def is_ours(self) -> bool:
        return self.binaries is not None

    @property
    def pid(self) -> int:
        """Of the process that all sessions descend from."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers."""
        assert self.binaries is not None
        assert self.folder is not None
        settings = SETTINGS | {"port": str(urlsplit(self.url).port)}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.folder / "data", *words],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **as_whom(),
            )
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            if self._process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])
            try:
                psycopg.connect(self.at("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: a fast shutdown, which ends every session. SIGQUIT: as a crash does."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def checkpoint(self) -> None:
        """Recovery from a crash then is short, however much was written before."""
        self._execute("CHECKPOINT")

    def at(self, database: str) -> str:
        """The URL of another database on this server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def make(self, database: str, *, template: str = "template0") -> str:
        """A database of this name, made anew; its URL."""
        self.drop(database)
        self._execute("CREATE DATABASE {} TEMPLATE {}", database, template)
        return self.at(database)

    def drop(self, database: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as line:
            line.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def frozen(server: Postgres) -> Iterator[None]:
    """All of its processes stand still; lines stay open, and the system takes new ones."""
    first = psutil.Process(server.pid)
    # The first one first: it would replace what has gone meanwhile.
    processes = [first, *first.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def name_for(folder: Path) -> str:
    """The name of the database that belongs to a data folder."""
    return "live_" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]


@contextmanager
def postgres(ports: range = PORTS) -> Iterator[Postgres]:
    """
    Raises:
        PostgresMissing: none was given, and none can be started.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield Postgres(given)
        return
    found = binaries()
    if found is None:
        raise PostgresMissing(MISSING)
    # Not pytest's folder: that is open to ourselves alone, and the server may run as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="lectern-postgres-"))
    server = None
    try:
        server = _new_server(found, folder, ports)
        yield server
    finally:
        if server is not None:
            server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


def _new_server(found: Path, folder: Path, ports: range) -> Postgres:
    try:
        runner = as_whom()
    except NobodyElse as error:
        raise PostgresMissing(str(error)) from None
    if runner:
        os.chown(folder, runner["user"], runner["group"])
        found = reachable_binaries(found, folder, runner)
    done = subprocess.run(
        [
            found / "initdb",
            "-D",
            folder / "data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        **runner,
    )
    if done.returncode:
        raise PostgresMissing(f"{found / 'initdb'} failed: {done.stderr.strip()[-300:]}")
    for port in ports:
        if not is_free(port):
            continue
        server = Postgres(f"postgres://postgres@127.0.0.1:{port}/postgres", found, folder)
        try:
            server.start()
        except RuntimeError:  # somebody else took the port just now
            continue
        return server
    raise PostgresMissing(f"no PostgreSQL could be started on the ports {ports.start} to {ports.stop - 1}")
