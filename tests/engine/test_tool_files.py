"""Files of tools, from the worker that writes them to the message that shows them."""

import asyncio
import json
from typing import Any

import pytest
from django.test import AsyncClient

from chat.engine import offered_tools
from chat.engine.tool_work import work
from chat.models import Attachment, ToolInvocation
from chat.wiring.attachments import files_of
from tests.engine.test_tool_workers import asked, die_with
from tests.engine.tool_plays import asks_for, plays
from tools.base import tool
from tools.context import ToolContext
from tools.discovery import installed
from tools.exceptions import ToolFailed
from tools.registry import Registry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_folder")]


@tool()
def half_a_report(context: ToolContext) -> str:
    """Fails after its first file."""
    context.files.add("half.csv", "text/csv", b"a,b")
    raise ToolFailed("The rest is missing.")


@tool()
def boast(key: str) -> dict[str, object]:
    """Says that it has made a file.

    Args:
        key: of somebody's file.
    """
    return {"files": [{"file": key, "name": "mine.csv", "bytes": 3}]}


@pytest.fixture(autouse=True)
def own_tools(monkeypatch):
    registry = Registry([*installed(), half_a_report, boast])
    monkeypatch.setattr(offered_tools, "installed", lambda: registry)


def ended(events):
    return [event for event in events if event["type"] == "tool.finished"]


REPORT = ("make_report", '{"subject": "products"}')


async def test_a_report_is_made_shown_and_downloaded(chat, upstream, worker):
    plays(upstream, asks_for(REPORT))
    started = await chat.ask("A report, please")
    told = ended(await chat.events(started.run))[0]
    assert told["status"] == "succeeded"
    assert [file["media_type"] for file in told["files"]] == ["text/csv", "text/markdown"]
    # The ids that the model was told are those of the files.
    said = json.loads(told["result"])["files"]
    assert [file["file"] for file in said] == [file["attachment"] for file in told["files"]]
    message = await chat.answer(started)
    part = next(part for part in message.parts if part["type"] == "tool_result")
    assert part["files"] == told["files"]
    client = AsyncClient()
    await client.aforce_login(chat.user)
    answer: Any = await client.get(f"/api/v1/attachments/{told['files'][0]['attachment']}")
    body = b"".join([piece async for piece in answer.streaming_content])
    answer.close()
    assert body.startswith(b"section,what,value\r\n")
    assert len(body) == told["files"][0]["size"]


async def test_a_tool_that_fails_after_its_first_file_shows_none(chat, upstream, worker):
    plays(upstream, asks_for(("half_a_report", "{}")))
    started = await chat.ask("Go")
    told = ended(await chat.events(started.run))[0]
    assert told["status"] == "failed"
    assert "files" not in told
    assert not await Attachment.objects.visible_to(chat.user).aexists()


async def test_a_result_that_speaks_of_files_makes_none(chat, upstream, worker):
    plays(upstream, asks_for(REPORT), asks_for(("boast", '{"key": "0191f3a0-0000-7000-8000-0000000000f1"}')))
    started = await chat.ask("Go")
    report, boasted = ended(await chat.events(started.run))
    assert "files" in report
    assert "files" not in boasted


async def test_of_two_attempts_after_a_workers_death_one_set_of_files_is_shown(chat, upstream):
    started, row = await asked(chat, upstream, *REPORT)
    # The first worker hands its files in, and dies before its result is written.
    epoch = await chat.runtime.database(die_with, row)
    first = await chat.runtime.database(lambda: files_of(row, epoch).add("report.csv", "text/csv", b"first"))

    def run_again():
        return work(row.pk, node=None, told=chat.runtime.tool_changed, files_of=files_of)

    async with asyncio.timeout(20):
        while (await ToolInvocation.objects.aget(pk=row.pk)).status != "pending":
            chat.runtime.tool_changed(started.run)
            await asyncio.sleep(0.02)
    assert await chat.runtime.database(run_again) == "succeeded"
    told = ended(await chat.events(started.run))[0]
    shown = {str(key) async for key in Attachment.objects.visible_to(chat.user).values_list("pk", flat=True)}
    assert shown == {file["attachment"] for file in told["files"]}
    assert len(shown) == 2
    assert first not in shown
