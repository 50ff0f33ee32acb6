"""The stack's own PostgreSQL: its folder, its command, its database."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from project.stack.binaries import NO_POSTGRES, postgres_binaries
from project.stack.part import Part
from project.stack.refused import Refused
from project.stack.rights import NobodyElse, as_whom, reachable_binaries, room_for

NAME = "lectern"
"""Of the database, and of the role that owns it."""
CONNECTIONS = 200
"""Two web processes, two workers with their children, beat, and commands: each has a pool of its own."""


@dataclass(frozen=True)
class StackPostgres:
    port: int
    password: str
    binaries: Path
    folder: Path
    runner: Mapping[str, Any]

    @property
    def url(self) -> str:
        return self._url(NAME, NAME)

    def part(self, *, begins: int, ends: int) -> Part:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": str(CONNECTIONS),
            "logging_collector": "off",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Part(
            name="postgres",
            command=[self.binaries / "postgres", "-D", self.folder / "data", *words],
            folder=self.folder,
            begins=begins,
            ends=ends,
            answers=self.answers,
            where=f"127.0.0.1:{self.port}",
            end_signal=signal.SIGINT,
            kill_signal=signal.SIGQUIT,
            grace_seconds=10.0,
            runner=self.runner,
        )

    async def answers(self) -> bool:
        """Makes role and database where they are not there yet."""
        try:
            connection = await psycopg.AsyncConnection.connect(
                self._url("postgres", "postgres"), autocommit=True, connect_timeout=2
            )
        except psycopg.OperationalError:
            return False
        async with connection:
            if await _is_there(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s"):
                change = "ALTER ROLE {} PASSWORD {}"
            else:
                change = "CREATE ROLE {} LOGIN PASSWORD {}"
            await connection.execute(sql.SQL(change).format(sql.Identifier(NAME), sql.Literal(self.password)))
            if not await _is_there(connection, "SELECT 1 FROM pg_database WHERE datname = %s"):
                make = "CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0"
                await connection.execute(sql.SQL(make).format(sql.Identifier(NAME), sql.Identifier(NAME)))
        return True

    def _url(self, user: str, database: str) -> str:
        return f"postgres://{user}:{self.password}@127.0.0.1:{self.port}/{database}"


async def _is_there(connection: psycopg.AsyncConnection[Any], question: LiteralString) -> bool:
    found = await connection.execute(question, [NAME])
    return await found.fetchone() is not None


def prepare_postgres(folder: Path, within: Path, *, port: int, password: str) -> StackPostgres:
    """The server's folder in `folder`, made at the first start. Raises `Refused`."""
    found = postgres_binaries()
    if found is None:
        raise Refused(f"There is no PostgreSQL here: {NO_POSTGRES}; or set DATABASE_URL.")
    try:
        runner = as_whom()
    except NobodyElse as error:
        raise Refused(str(error)) from None
    room = room_for(runner, folder, within=within)
    binaries = reachable_binaries(found, room, runner)
    if not (room / "data").exists():
        _make_cluster(binaries, room, runner, password)
    return StackPostgres(port, password, binaries, room, runner)


def _make_cluster(binaries: Path, room: Path, runner: Mapping[str, Any], password: str) -> None:
    """Under another name first, so that one that was interrupted is not taken for a whole one."""
    draft, word = room / "data.new", room / "password"
    shutil.rmtree(draft, ignore_errors=True)
    word.unlink(missing_ok=True)
    with os.fdopen(os.open(word, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(password)
    if runner:
        os.chown(word, runner["user"], runner["group"])
    options = ["-U", "postgres", "-A", "scram-sha-256", f"--pwfile={word}", "-E", "UTF8", "--locale=C"]
    done = subprocess.run(  # noqa: S603
        [binaries / "initdb", "-D", draft, *options],
        cwd=room,
        capture_output=True,
        text=True,
        check=False,
        **runner,
    )
    word.unlink()
    if done.returncode:
        raise Refused(f"{binaries / 'initdb'} failed: {done.stderr.strip()[-300:]}")
    draft.rename(room / "data")
