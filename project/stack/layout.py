"""Which parts a stack has, on which ports, and what they are told."""

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from project.stack.asking import http_answers
from project.stack.part import Part
from project.stack.ports import ports_after
from project.stack.postgres import prepare_postgres
from project.stack.proxy import Front, front
from project.stack.redis_server import redis_part, redis_url
from project.stack.refused import Refused

ROOT = Path(__file__).resolve().parents[2]
STAGE_SERVERS, STAGE_FIRST_WEB, STAGE_OTHERS, STAGE_FRONT = range(4)
"""The first web process migrates; whoever else is there by then would only wait for it."""
END_OURS, END_FRONT, END_REDIS, END_POSTGRES = range(4)
"""The front stays while the processes drain: running answers go through it, and who comes meanwhile is told to wait."""

TOOL_CHILDREN = 4
TASK_THREADS = 8
"""Of the workers. Celery's own default, a child for each core, is too much beside all the rest on one machine."""


@dataclass(frozen=True)
class Wish:
    """What the command line asked for, and what the settings say."""

    host: str
    port: int
    address: str
    """Where people open the site."""
    server: str = "daphne"
    proxy: str = "auto"
    behind_tls: bool = False
    host_name: str = "localhost"
    """A name the site answers to."""
    drain_seconds: float = 15.0


@dataclass(frozen=True)
class Layout:
    parts: list[Part]
    settings: dict[str, str]
    front: Front


def lay_out(wish: Wish, folder: Path, data_folder: Path, given: Mapping[str, str]) -> Layout:
    """A database or a Redis that the environment names is used as it is. Raises `Refused`."""
    inner = ports_after(wish.port, 4, taken=[wish.port])
    if len(inner) < 4:
        raise Refused("There are no free ports on 127.0.0.1.")
    web_ports, redis_port, postgres_port = inner[:2], inner[2], inner[3]
    password = read_or_make_password(folder)
    parts, settings = [], dict(given)
    if given.get("DATABASE_URL", "").startswith("sqlite"):
        raise Refused(
            "DATABASE_URL names an SQLite file; a stack has PostgreSQL. Leave it out, or name a PostgreSQL."
        )
    if not given.get("DATABASE_URL"):
        postgres = prepare_postgres(folder / "postgres", data_folder, port=postgres_port, password=password)
        parts.append(postgres.part(begins=STAGE_SERVERS, ends=END_POSTGRES))
        settings["DATABASE_URL"] = postgres.url
    if not given.get("REDIS_URL"):
        parts.append(
            redis_part(
                folder / "redis", port=redis_port, password=password, begins=STAGE_SERVERS, ends=END_REDIS
            )
        )
        settings["REDIS_URL"] = redis_url(redis_port, password)
    # Through a front that forwards bytes everybody comes from this machine, which else is enough to read the figures.
    settings.setdefault("METRICS_TOKEN", secrets.token_hex(16))
    chosen = front(
        wish.proxy,
        folder / "proxy",
        host=wish.host,
        port=wish.port,
        upstreams=web_ports,
        behind_tls=wish.behind_tls,
    )
    settings.setdefault("PUBLIC_URL", wish.address)
    if chosen.tells_addresses:
        settings.setdefault("PROXY_COUNT", "1")
    told = {**settings, "DATA_DIR": str(data_folder), "PYTHONUNBUFFERED": "1"}
    parts += [_web(n, port, wish, told) for n, port in enumerate(web_ports, 1)]
    parts += [_worker(n, told, words, wish.drain_seconds) for n, words in enumerate(WORKERS, 1)]
    parts += [_beat(told), _front(chosen, wish)]
    return Layout(parts, settings, chosen)


def read_or_make_password(folder: Path) -> str:
    """Of the stack's own servers: other users of this machine reach their ports as well."""
    file = folder / "password"
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_urlsafe(24))
    return file.read_text()


WORKERS = (
    # Only with children of its own can a tool be ended by force.
    ("-Q", "tools", "-P", "prefork", "-c", str(TOOL_CHILDREN)),
    ("-Q", "webhooks,maintenance", "-P", "threads", "-c", str(TASK_THREADS)),
)


def _web(number: int, port: int, wish: Wish, told: Mapping[str, str]) -> Part:
    words = ["serve", "--no-worker", "--no-setup-link", "--server", wish.server]

    async def answers() -> bool:
        return await http_answers(port, name=wish.host_name)

    return Part(
        name=f"web-{number}",
        command=[sys.executable, "manage.py", *words, "--host", "127.0.0.1", "--port", str(port)],
        folder=ROOT,
        begins=STAGE_FIRST_WEB if number == 1 else STAGE_OTHERS,
        ends=END_OURS,
        answers=answers,
        lives=lambda: http_answers(port, path="/livez", name=wish.host_name),
        where=f"127.0.0.1:{port}",
        environment=told,
        grace_seconds=wish.drain_seconds + 5,
    )


def _worker(number: int, told: Mapping[str, str], words: tuple[str, ...], drain_seconds: float) -> Part:
    name = f"worker-{number}"
    return Part(
        name=name,
        command=[sys.executable, "-m", "celery", "-A", "project", "worker", "-n", f"{name}@%h", *words],
        folder=ROOT,
        begins=STAGE_OTHERS,
        ends=END_OURS,
        where=f"queues {words[1]}",
        environment=told,
        # Tasks under way have the same time as answers; then what is left goes back into its queue.
        grace_seconds=drain_seconds + 5,
    )


def _beat(told: Mapping[str, str]) -> Part:
    words = ["beat", "--pidfile="]
    return Part(
        name="beat",
        command=[sys.executable, "-m", "celery", "-A", "project", *words],
        folder=ROOT,
        begins=STAGE_OTHERS,
        ends=END_OURS,
        environment=told,
    )


def _front(chosen: Front, wish: Wish) -> Part:
    async def answers() -> bool:
        reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(wish.host, wish.host)  # noqa: S104
        return await http_answers(wish.port, host=reached, name=wish.host_name)

    return Part(
        name="proxy",
        command=chosen.command,
        environment=chosen.environment,
        folder=ROOT,
        begins=STAGE_FRONT,
        ends=END_FRONT,
        answers=answers,
        where=f"{wish.host}:{wish.port} ({'a forwarder of our own' if chosen.kind == 'own' else chosen.kind})",
        grace_seconds=3.0,
    )
