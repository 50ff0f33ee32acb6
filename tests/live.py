"""The real server as a process of its own, in a data folder of its own, and clients that talk to it as browsers do."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from bench.processes import free_port
from tests import many_machines
from tests.postgres import name_for

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery"
START_SECONDS = 60

MAKE_PEOPLE = f"""
from chat.models import User
for name in ("alice", "bob", "mallory"):
    User.objects.filter(username=name).exists() or User.objects.create_user(name, f"{{name}}@example.org", {PASSWORD!r})
"""


@dataclass
class LiveSite:
    """`start`, `kill`, `start` again: the data stays."""

    folder: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    server: str = "daphne"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def manage(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def prepare(self) -> None:
        self.manage("migrate", "-v0")
        self.manage("shell", "-v0", "-c", MAKE_PEOPLE)

    def command(self, *words: str) -> list[str]:
        port, server = str(self.port), self.server
        return [sys.executable, "manage.py", "serve", "--port", port, "--server", server, *words]

    def start(self, *words: str) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(*words),
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        give_up_at = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up_at:
            assert self.process.poll() is None, self.log
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the server did not become ready:\n{self.log}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(timeout=30)
        self.process = None
        return code

    def pause(self) -> None:
        """It lives and does nothing, and does not know it afterwards."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def sign_in(self, name: str = "alice") -> "Person":
        client = httpx.Client(base_url=self.url, timeout=30)
        client.get("/accounts/login/")
        form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        answer = client.post("/accounts/login/", data=form, headers={"Referer": self.url})
        assert answer.status_code == 302, answer.text
        return Person(self, name, client)

    def environment(self) -> dict[str, str]:
        # Coverage and pytest settings of the outer process stay out of the server's.
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
        ours = {
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": database_url(self.folder),
            "PYTHONUNBUFFERED": "1",
        }
        return {**plain, **ours, **self.settings}


def database_url(folder: Path) -> str:
    """The database of a data folder: "" is the file inside, else one on the PostgreSQL this session runs on."""
    server = many_machines.server
    return server.at(name_for(folder)) if server is not None else ""


def copy_site(prepared: Path, folder: Path) -> None:
    shutil.copytree(prepared, folder)
    if (server := many_machines.server) is not None:
        server.make(name_for(folder), template=name_for(prepared))


@dataclass
class Person:
    site: LiveSite
    name: str
    http: httpx.Client

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    @asynccontextmanager
    async def socket(self, **more: Any) -> AsyncIterator["Socket"]:
        """A tab: signed in, greeted."""
        async with connect(self.site, cookie=self.cookie, **more) as line:
            tab = Socket(line)
            assert (await tab.next())["type"] == "ready"
            yield tab


def connect(
    site: LiveSite, *, cookie: str = "", token: str = "", origin: str | None = "same", **more: Any
) -> Any:
    """A bare WebSocket connection; `origin` None sends none."""
    headers = {"Cookie": cookie} if cookie else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return websockets.connect(
        f"ws://127.0.0.1:{site.port}/ws/chat/",
        additional_headers=headers,
        origin=site.url if origin == "same" else origin,  # type: ignore[arg-type]
        max_size=None,
        close_timeout=1,
        **more,
    )


class Socket:
    """Speaks frames; keeps what it was not asked for."""

    def __init__(self, line: Any) -> None:
        self.line = line
        self.seen: list[dict[str, Any]] = []
        self._ref = 0

    async def send(self, type_: str, **fields: Any) -> None:
        await self.line.send(json.dumps({"type": type_, **fields}))

    async def next(self, timeout: float = 20) -> dict[str, Any]:
        async with asyncio.timeout(timeout):
            frame: dict[str, Any] = json.loads(await self.line.recv())
        self.seen.append(frame)
        return frame

    async def ask(self, type_: str, **fields: Any) -> dict[str, Any]:
        """Sends a command and returns its reply."""
        self._ref += 1
        await self.send(type_, ref=self._ref, **fields)
        while True:
            frame = await self.next()
            if frame["type"] == "reply" and frame.get("ref") == self._ref:
                return frame

    async def ack(self, frame: dict[str, Any]) -> None:
        await self.send("ack", run=frame["run"], cursor=frame["cursor"])

    async def events(
        self, run: str, *, until: str = "run.finished", ack: bool = True
    ) -> list[dict[str, Any]]:
        """The run's event frames from here up to the first of a type, acknowledged as they come."""
        frames: list[dict[str, Any]] = [f for f in self.seen if f["type"] == "event" and f["run"] == run]
        self.seen = [f for f in self.seen if f not in frames]
        while not any(f["event"]["type"] == until for f in frames):
            frame = await self.next()
            if frame["type"] == "event" and frame["run"] == run:
                self.seen.remove(frame)
                frames.append(frame)
                if ack:
                    await self.ack(frame)
        return frames


def text_of(frames: list[dict[str, Any]]) -> str:
    return "".join(f["event"]["text"] for f in frames if f["event"]["type"] == "text.delta")


def words(count: int) -> str:
    """What the demo upstream's `demo-n<count>-…` says."""
    return "".join(f"w{n} " for n in range(count))


@pytest.fixture(scope="session")
def prepared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the cast and the demo models in it, to be copied: migrating costs seconds."""
    site = LiveSite(tmp_path_factory.mktemp("prepared"))
    if (server := many_machines.server) is not None:
        server.make(name_for(site.folder))
    site.prepare()
    models = ["demo", "demo-n300-r0-d0", "demo-n200-r100-d20", "demo-n400-r100-d0", "demo-n400-r200-d0"]
    named = [word for model in models for word in ("--model", model)]
    site.manage("add_provider", "demo", "--dialect", "openai_chat", "--base-url", "demo:", *named)
    return site.folder


@contextmanager
def serving(prepared: Path, folder: Path, server: str = "daphne", **settings: str) -> Iterator[LiveSite]:
    """A running site on a copy of the prepared data. It may be killed and started again."""
    copy_site(prepared, folder)
    live = LiveSite(folder, settings=settings, server=server)
    live.start()
    try:
        yield live
    finally:
        if live.process is not None:
            live.stop(signal.SIGKILL)


LOW_LIMITS = {"ACK_SECONDS": "2", "CHAT_SOCKETS_PER_USER": "6", "SILENCE_SECONDS": "8"}
"""Low enough to be met."""


@pytest.fixture(scope="session")
def site(prepared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """One server for all tests that do not kill it."""
    with serving(prepared_folder, tmp_path_factory.mktemp("site") / "data", **LOW_LIMITS) as live:
        yield live


@pytest.fixture
def mortal_site(prepared_folder: Path, tmp_path: Path) -> Iterator[LiveSite]:
    """A server of this test's own, to be killed and started again."""
    with serving(prepared_folder, tmp_path / "data") as live:
        yield live
