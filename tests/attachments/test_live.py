"""A report from the question to the disk: a real server, its worker within or on another machine."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.asking_tools import plug_in
from tests.live import LiveSite, Person, Socket, copy_site, database_url, serving
from tests.project.workers import running, wait_for, worker
from tests.services import MISSING, MortalRedis, redis_binary, stop

pytestmark = [pytest.mark.server, pytest.mark.both_columns]

KEY = "0191f3a0-0000-7000-8000-00000000f11e"
ASK = 'call:make_report {"subject": "products"}'


async def ask(tab: Socket, words: str) -> dict[str, Any]:
    text = [{"type": "text", "text": words}]
    more: dict[str, Any] = {"conversation": None, "parent": None, "options": {}}
    return await tab.ask("run.start", key=KEY, content=text, models=["demo"], **more)


async def report_for(person: Person) -> tuple[str, list[dict[str, Any]]]:
    """The conversation, and the files of the report that the demo model has made in it."""
    async with person.socket() as tab:
        reply = await ask(tab, ASK)
        frames = await tab.events(reply["run"])
    told = [frame["event"] for frame in frames if frame["event"]["type"] == "tool.finished"]
    assert [event["status"] for event in told] == ["succeeded"]
    files: list[dict[str, Any]] = told[0]["files"]
    return reply["conversation"], files


def assert_downloads(person: Person, files: list[dict[str, Any]]) -> None:
    assert [file["media_type"] for file in files] == ["text/csv", "text/markdown"]
    for file in files:
        answer = person.http.get(f"/api/v1/attachments/{file['attachment']}")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == file["media_type"]
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{file["name"]}"'
        assert int(answer.headers["Content-Length"]) == len(answer.content) == file["size"]
        assert b"Products: " in answer.content


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
async def test_a_report_is_made_in_the_process_and_downloaded(
    prepared_folder: Path, tmp_path: Path, server: str
):
    with serving(prepared_folder, tmp_path / "data", server) as site:
        alice = site.sign_in("alice")
        conversation, files = await report_for(alice)
        assert_downloads(alice, files)
        foreign = site.sign_in("mallory").http.get(f"/api/v1/attachments/{files[0]['attachment']}")
        assert (foreign.status_code, foreign.json()["code"]) == (404, "not_found")
        page = alice.http.get(f"/c/{conversation}/").text
        for file in files:
            assert f'href="/api/v1/attachments/{file["attachment"]}" download="{file["name"]}"' in page


@pytest.fixture
def web(prepared_folder: Path, tmp_path: Path) -> Iterator[LiveSite]:
    """One machine of two, not started yet; its worker has a data folder of its own, and shares only the files."""
    binary = redis_binary()
    if binary is None:
        pytest.skip(MISSING)
    folder = tmp_path / "web"
    copy_site(prepared_folder, folder)
    redis = MortalRedis(binary, tmp_path)
    settings = {
        "REDIS_URL": redis.url,
        "FILES_DIR": str(tmp_path / "shared"),
        "DATABASE_URL": database_url(folder) or f"sqlite:///{folder / 'db.sqlite3'}",
        "SECRET_KEY": "the same on both",
        **plug_in(tmp_path),
    }
    live = LiveSite(folder, settings=settings)
    yield live
    if live.process is not None:
        live.stop()
    stop(redis.process)


def contents_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_worker_of_another_machine_makes_it_into_the_folder_that_both_share(
    web: LiveSite, tmp_path: Path
):
    with running(worker(web, "tools", "prefork", "-c", "1", DATA_DIR=str(tmp_path / "worker"))):
        web.start("--no-worker")
        alice = web.sign_in("alice")
        assert_downloads(alice, (await report_for(alice))[1])
        assert len(contents_in(tmp_path / "shared")) == 2


async def test_of_a_worker_that_is_killed_after_it_has_handed_in_a_file_nothing_is_doubled(
    web: LiveSite, tmp_path: Path
):
    crew = worker(web, "tools", "prefork", "-c", "1", DATA_DIR=str(tmp_path / "worker"))
    with running(crew):
        web.start("--no-worker")
        alice = web.sign_in("alice")
        async with alice.socket() as tab:
            reply = await ask(tab, 'call:list_boxes {"seconds": 2}')
            await asyncio.to_thread(wait_for, lambda: contents_in(tmp_path / "shared"))
            for child in psutil.Process(crew.pid).children():
                child.kill()
            frames = await tab.events(reply["run"])
        attempts = [f["event"]["attempt"] for f in frames if f["event"]["type"] == "tool.running"]
        (told,) = [f["event"] for f in frames if f["event"]["type"] == "tool.finished"]
        assert (attempts[-1], told["status"]) == (2, "succeeded")
        (file,) = told["files"]
        assert file["attachment"] in told["result"]
        assert alice.http.get(f"/api/v1/attachments/{file['attachment']}").content == b"one\ntwo\n"
        made = web.manage("shell", "-v0", "-c", ALL_KEYS).split()
        (left,) = set(made) - {file["attachment"]}
        assert alice.http.get(f"/api/v1/attachments/{left}").status_code == 404


ALL_KEYS = "from chat.models import Attachment; print(*Attachment.objects.values_list('pk', flat=True))"
