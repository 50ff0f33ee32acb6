"""What the programs of this folder run on: a fresh database, the whole engine in this process, the demo upstream."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import msgspec

if TYPE_CHECKING:
    from chat.models import User
    from chat.wiring import Runtime

ROOT = Path(__file__).resolve().parent.parent.parent
USERS = 20
"""Each may have 20 calls at once."""


class Upstream(Protocol):
    @property
    def base_url(self) -> str: ...

    async def stats(self) -> dict[str, Any]:
        """`GET /stats`: how many calls are open, and were made."""


class UpstreamProcess:
    """`manage.py demo_upstream` in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "demo_upstream", "--port", "0"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().split()[-1]

    async def stats(self) -> dict[str, Any]:
        return await stats_at(self.base_url)

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(10)


async def stats_at(base_url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(base_url.removesuffix("/v1") + "/stats")
    found: dict[str, Any] = msgspec.json.decode(answer.content)
    return found


class Bed:
    """`users` share the runs, so that no limit of one user is in the way."""

    def __init__(self, runtime: "Runtime", upstream: Upstream, users: "list[User]") -> None:
        self.runtime = runtime
        self.upstream = upstream
        self.users = users

    async def calls_seen(self) -> int:
        """Upstream, since it was started."""
        return int((await self.upstream.stats())["total"])


def run_on_bed(measure: Callable[[Bed], Coroutine[Any, Any, int]]) -> int:
    """Runs it on a fresh installation, and cleans up."""
    with installed(), upstream_process() as upstream:
        return asyncio.run(_on_bed(measure, upstream))


@contextmanager
def installed() -> Iterator[None]:
    """Django with an empty database that goes afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").mkdir()
        os.environ["DATA_DIR"] = str(Path(folder) / "data")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
        os.environ.setdefault("LOG_LEVEL", "ERROR")
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield


@contextmanager
def upstream_process() -> Iterator[UpstreamProcess]:
    upstream = UpstreamProcess()
    try:
        yield upstream
    finally:
        upstream.end()


async def _on_bed(measure: Callable[[Bed], Coroutine[Any, Any, int]], upstream: Upstream) -> int:
    from project.servers.memory import settle

    async with made(upstream) as bed:
        settle()
        return await measure(bed)


@asynccontextmanager
async def made(upstream: Upstream) -> AsyncIterator[Bed]:
    from chat import wiring
    from chat.models import User

    runtime = await wiring.startup()
    try:
        people = [User(username=f"chaos-{number}") for number in range(USERS)]
        users = await runtime.database(User.objects.bulk_create, people)
        yield Bed(runtime, upstream, users)
    finally:
        await wiring.shutdown(grace_seconds=0)
