"""`make stack` as a whole, once: from an empty folder to nothing left."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from bench.processes import free_port
from project.stack.binaries import NO_POSTGRES, NO_REDIS, postgres_binaries, redis_binary
from tests.live import ROOT, LiveSite, Person, text_of, words

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

PARTS = {"postgres", "redis", "web-1", "web-2", "worker-1", "worker-2", "beat", "proxy", "stack"}
ADMIN = {"DJANGO_SUPERUSER_USERNAME": "ada", "DJANGO_SUPERUSER_PASSWORD": "a long enough secret"}


@dataclass
class Stack:
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text()

    def environment(self) -> dict[str, str]:
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
        return {**plain, **ADMIN, "DATABASE_URL": "", "REDIS_URL": "", "DATA_DIR": str(self.folder / "data")}

    def start(self) -> None:
        with (self.folder / "said").open("w") as said:
            command = [sys.executable, "-m", "project.stack", "--port", str(self.port)]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment(), stdout=said, stderr=subprocess.STDOUT, text=True
            )
        self.wait_for("is ready at")

    def wait_for(self, words: str) -> None:
        give_up_at = time.monotonic() + 90
        while words not in self.said:
            assert self.process is not None
            assert self.process.poll() is None, self.said
            assert time.monotonic() < give_up_at, self.said
            time.sleep(0.05)

    def pids(self) -> dict[str, int]:
        return {file.stem: int(file.read_text()) for file in (self.folder / "data/stack").glob("*.pid")}

    def manage(self, *words: str) -> str:
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def stack() -> Iterator[Stack]:
    for binary, missing in ((postgres_binaries(), NO_POSTGRES), (redis_binary(), NO_REDIS)):
        if binary is None:
            pytest.skip(f"make stack cannot be tried: {missing}")
    # Not pytest's folder, which root's other user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="lectern-stack-"))
    (folder / "data").mkdir()
    folder.chmod(0o711)
    running = Stack(folder)
    yield running
    if running.process is not None and running.process.poll() is None:
        running.process.send_signal(signal.SIGTERM)
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(30)
    shutil.rmtree(folder)


def sign_in(stack: Stack) -> Person:
    site = LiveSite(stack.folder, stack.port)
    client = httpx.Client(base_url=site.url)
    client.get("/accounts/login/")
    form = {
        "username": ADMIN["DJANGO_SUPERUSER_USERNAME"],
        "password": ADMIN["DJANGO_SUPERUSER_PASSWORD"],
        "csrfmiddlewaretoken": client.cookies["csrftoken"],
    }
    assert client.post("/accounts/login/", data=form, headers={"Referer": site.url}).status_code == 302
    return Person(site, "ada", client)


async def ask(person: Person, model: str) -> str:
    """The text of an answer."""
    async with person.socket() as tab:
        content = [{"type": "text", "text": "hello"}]
        reply = await tab.ask("run.start", key=str(uuid.uuid4()), models=[model], content=content)
        assert reply["ok"], reply
        return text_of(await tab.events(reply["run"]))


async def test_from_an_empty_folder_to_an_answer_a_death_and_an_end(stack: Stack):
    await asyncio.to_thread(stack.start)
    pids = stack.pids()
    assert set(pids) == PARTS
    assert "No user yet" not in stack.said  # the environment has named an administrator

    # A command with nothing but the folder speaks to the stack's own database.
    model = "demo-n100-r0-d0"
    stack.manage("add_provider", "demo", "--dialect", "openai_chat", "--base-url", "demo:", "--model", model)
    person = await asyncio.to_thread(sign_in, stack)
    assert await ask(person, f"demo/{model}") == words(100)

    os.kill(pids["web-1"], signal.SIGKILL)
    assert await ask(person, f"demo/{model}") == words(100)
    await asyncio.to_thread(stack.wait_for, "web-1 ended (SIGKILL); started again")
    now = stack.pids()
    assert now.pop("web-1") != pids.pop("web-1")
    assert now == pids

    assert stack.process is not None
    everything = [
        psutil.Process(stack.process.pid),
        *psutil.Process(stack.process.pid).children(recursive=True),
    ]
    stack.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(stack.process.wait, 60) == 0
    person.http.close()
    assert stack.said.rstrip().endswith("Stopped.")
    assert "is killed" not in stack.said
    _, alive = psutil.wait_procs(everything, timeout=5)
    assert alive == []
    assert stack.pids() == {}
    assert "sqlite" in stack.manage(
        "shell", "-v0", "-c", "from django.db import connection as c; print(c.vendor)"
    )
