"""A report from the question to the disk: a real server, its worker within or on another machine."""

from pathlib import Path
from typing import Any

import pytest

from tests.live import LiveSite, Person, copy_site, database_url, serving
from tests.project.workers import running, worker
from tests.services import MISSING, MortalRedis, redis_binary, stop

pytestmark = [pytest.mark.server, pytest.mark.both_columns]

KEY = "0191f3a0-0000-7000-8000-00000000f11e"
ASK = 'call:make_report {"subject": "products"}'


async def report_for(person: Person) -> tuple[str, list[dict[str, Any]]]:
    """The conversation, and the files of the report that the demo model has made in it."""
    async with person.socket() as tab:
        text = [{"type": "text", "text": ASK}]
        more: dict[str, Any] = {"conversation": None, "parent": None, "options": {}}
        reply = await tab.ask("run.start", key=KEY, content=text, models=["demo"], **more)
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


async def test_a_worker_of_another_machine_makes_it_into_the_folder_that_both_share(
    prepared_folder: Path, tmp_path: Path
):
    binary = redis_binary()
    if binary is None:
        pytest.skip(MISSING)
    shared = tmp_path / "shared"
    copy_site(prepared_folder, tmp_path / "web")
    redis = MortalRedis(binary, tmp_path)
    settings = {
        "REDIS_URL": redis.url,
        "FILES_DIR": str(shared),
        "DATABASE_URL": database_url(tmp_path / "web") or f"sqlite:///{tmp_path / 'web' / 'db.sqlite3'}",
        "SECRET_KEY": "the same on both",
    }
    web = LiveSite(tmp_path / "web", settings=settings)
    try:
        with running(worker(web, "tools", "prefork", "-c", "1", DATA_DIR=str(tmp_path / "worker"))):
            web.start("--no-worker")
            alice = web.sign_in("alice")
            assert_downloads(alice, (await report_for(alice))[1])
            assert len([path for path in shared.rglob("*") if path.is_file()]) == 2
    finally:
        if web.process is not None:
            web.stop()
        stop(redis.process)
