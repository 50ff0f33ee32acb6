"""Downloading a file over REST: to its user alone, in pieces, and with nothing in it that a browser would run."""

import uuid
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from chat.attachments.download import PIECE_BYTES
from chat.models import Attachment, ToolInvocation
from chat.wiring.attachments import contents
from tests.factories import (
    AttachmentFactory,
    ConversationFactory,
    RunFactory,
    ToolInvocationFactory,
    UserFactory,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_folder")]


@pytest.fixture
def invocation(alice) -> ToolInvocation:
    run = RunFactory.create(conversation=ConversationFactory.create(owner=alice))
    return ToolInvocationFactory.create(run=run, status="succeeded", waits_for="", epoch=1)


def made(invocation: ToolInvocation, content: bytes = b"a,b\n", **fields) -> Attachment:
    row = AttachmentFactory.create(invocation=invocation, content=content, **fields)
    contents().put(content, row.sha256)
    return row


def path(row: Attachment) -> str:
    return f"/api/v1/attachments/{row.pk}"


async def get(user, address: str):
    client = AsyncClient()
    if user is not None:
        await client.aforce_login(user)
    answer: Any = await client.get(address)
    body = (
        b"".join([piece async for piece in answer.streaming_content]) if answer.streaming else answer.content
    )
    answer.close()
    return answer, body


async def run(function, *arguments, **fields):
    """In a thread, where the database may be asked."""
    return await sync_to_async(function)(*arguments, **fields)


async def test_a_file_comes_as_a_download_of_its_own_type(alice, invocation):
    answer, body = await get(alice, path(await run(made, invocation)))
    assert (answer.status_code, body) == (200, b"a,b\n")
    assert answer["Content-Type"] == "text/csv"
    assert answer["Content-Disposition"] == 'attachment; filename="report.csv"'
    assert answer["Content-Length"] == "4"


async def test_a_page_with_scripts_is_only_a_download(alice, invocation):
    row = await run(made, invocation, b"<script>alert(1)</script>", name="a.html", media_type="text/html")
    answer, _ = await get(alice, path(row))
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("报告 2026.csv", "attachment; filename*=utf-8''%E6%8A%A5%E5%91%8A%202026.csv"),
        ('a"b.csv', 'attachment; filename="a\\"b.csv"'),
    ],
)
async def test_any_name_reaches_the_disk(alice, invocation, name, header):
    answer, _ = await get(alice, path(await run(made, invocation, name=name)))
    assert answer["Content-Disposition"] == header


async def test_a_large_file_comes_in_pieces(alice, invocation):
    content = bytes(range(256)) * 1024
    client = AsyncClient()
    await client.aforce_login(alice)
    answer: Any = await client.get(path(await run(made, invocation, content)))
    pieces = [piece async for piece in answer.streaming_content]
    answer.close()
    assert b"".join(pieces) == content
    assert {len(piece) for piece in pieces} == {PIECE_BYTES}


async def test_what_is_not_read_to_its_end_is_closed_with_the_answer(alice, invocation):
    client = AsyncClient()
    await client.aforce_login(alice)
    answer: Any = await client.get(path(await run(made, invocation, b"x" * 200_000)))
    stream = answer.streaming_content
    await anext(aiter(stream))
    answer.close()
    with pytest.raises(ValueError, match="closed"):
        await anext(aiter(answer._iterator))


async def test_bytes_that_are_gone_are_told_in_words(alice, invocation):
    row = await run(AttachmentFactory.create, invocation=invocation, content=b"never kept")
    answer, _ = await get(alice, path(row))
    assert (answer.status_code, answer.json()["code"]) == (410, "file_gone")
    assert answer.json()["title"] == "This file is not kept any more."


async def test_other_peoples_files_look_like_none(mallory, invocation):
    foreign, _ = await get(mallory, path(await run(made, invocation)))
    absent, _ = await get(mallory, f"/api/v1/attachments/{uuid.uuid4()}")
    assert foreign.status_code == absent.status_code == 404
    assert foreign.json() == absent.json()


async def test_staff_have_no_way_to_them_here(invocation):
    ada = await run(UserFactory.create, is_staff=True, is_superuser=True)
    answer, _ = await get(ada, path(await run(made, invocation)))
    assert answer.status_code == 404


async def test_a_file_of_an_attempt_that_is_not_recorded_looks_like_none(alice, invocation):
    row = await run(made, invocation)
    await ToolInvocation.objects.filter(pk=invocation.pk).aupdate(epoch=2)
    answer, _ = await get(alice, path(row))
    assert answer.status_code == 404


async def test_nobody_is_answered_without_signing_in(invocation):
    answer, _ = await get(None, path(await run(made, invocation)))
    assert (answer.status_code, answer.json()["code"]) == (401, "signed_out")


async def test_an_id_that_is_none_is_refused(alice):
    answer, _ = await get(alice, "/api/v1/attachments/nonsense")
    assert answer.status_code == 400


async def test_an_invocation_tells_its_files_and_believes_no_result(alice, invocation):
    row = await run(made, invocation)
    other = await run(
        ToolInvocationFactory.create,
        run=invocation.run,
        status="succeeded",
        waits_for="",
        result=f'{{"files": [{{"file": "{row.pk}"}}]}}',
    )
    answer, _ = await get(alice, f"/api/v1/invocations/{invocation.pk}")
    assert answer.json()["files"] == [
        {"attachment": str(row.pk), "name": "report.csv", "media_type": "text/csv", "size": 4}
    ]
    answer, _ = await get(alice, f"/api/v1/invocations/{other.pk}")
    assert answer.json()["files"] == []
