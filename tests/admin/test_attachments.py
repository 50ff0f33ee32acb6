"""Attachments in the admin: figures; the name and the bytes behind the gate."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from django.urls import reverse

from chat.models import Attachment, AuditEntry
from chat.wiring.attachments import contents
from tests.admin.gates import WHY, auditor, give_reason, looks, signed_in
from tests.attachments.folder import close_connections, stored_in
from tests.factories import AttachmentFactory, UserFactory

LIST = "/admin/chat/attachment/"


@pytest.fixture
def row(db: None, settings, tmp_path) -> Attachment:
    settings.STORAGES = stored_in(tmp_path / "files")
    row = AttachmentFactory.create(name="a private matter.csv", content=b"what is in it")
    contents().put(b"what is in it", row.sha256)
    return row


def address(row: Attachment, what: str = "change") -> str:
    return reverse(f"admin:chat_attachment_{what}", args=[row.pk])


def test_the_list_shows_figures_and_no_name(row: Attachment):
    page = signed_in("view_attachment").get(LIST).content.decode()
    assert "text/csv" in page
    assert "make_report" in page
    assert "private matter" not in page


def test_its_page_shows_what_it_is_and_the_look_is_recorded(row: Attachment):
    client = auditor("view_attachment")
    assert "private matter" not in client.get(address(row)).content.decode()
    give_reason(client, "attachment", row.pk)
    page = client.get(address(row)).content.decode()
    assert "a private matter.csv" in page
    assert row.sha256 in page
    assert str(row.invocation_id) in page
    assert looks() == [("look", "attachment", WHY)]


def test_the_page_of_the_invocation_leads_to_it(row: Attachment):
    page = signed_in("view_toolinvocation").get(
        reverse("admin:chat_toolinvocation_change", args=[row.invocation_id])
    )
    assert address(row) in page.content.decode()
    assert "private matter" not in page.content.decode()


@pytest.mark.django_db(transaction=True)
async def test_a_download_is_recorded_and_is_only_a_download(row: Attachment):
    ada = await sync_to_async(UserFactory.create)(is_staff=True, is_superuser=True)
    client = AsyncClient()
    await client.aforce_login(ada)
    reason = {"kind": "attachment", "key": str(row.pk), "reason": WHY, "next": "/admin/"}
    await client.post(reverse("admin:chat_auditentry_open"), reason)
    answer: Any = await client.get(address(row, "download"))
    assert b"".join([piece async for piece in answer.streaming_content]) == b"what is in it"
    answer.close()
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert await AuditEntry.objects.filter(action="download", key=str(row.pk)).acount() == 1
    await close_connections()


def test_bytes_that_are_gone_are_told_on_its_page(row: Attachment):
    gone = AttachmentFactory.create(content=b"never kept")
    client = auditor("view_attachment")
    give_reason(client, "attachment", gone.pk)
    page = client.get(address(gone, "download"), follow=True)
    assert "The bytes are not there" in page.content.decode()


def test_nobody_without_the_permission_sees_or_gets_it(row: Attachment):
    client = signed_in("view_toolinvocation", "view_run")
    assert client.get(LIST).status_code == client.get(address(row)).status_code == 403
    assert client.get(address(row, "download")).status_code == 403


def test_nobody_can_change_it(row: Attachment):
    client = signed_in("view_attachment", "change_attachment", "delete_attachment")
    assert client.post(address(row), {"name": "other"}).status_code == 403
    assert client.post(address(row, "delete")).status_code == 403
