"""What is dropped of attachments: rows of attempts without a result, then bytes without a row."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from chat.attachments.contents import Contents
from chat.attachments.retention import prune_attachments
from chat.models import Attachment
from tests.attachments.conftest import kept
from tests.factories import AttachmentFactory, ToolInvocationFactory

pytestmark = pytest.mark.django_db


def later() -> datetime:
    return timezone.now() + timedelta(hours=2)


def made(contents: Contents, content: bytes = b"abc", **fields) -> Attachment:
    row = AttachmentFactory.create(content=content, **fields)
    contents.put(content, row.sha256)
    return row


@pytest.mark.parametrize(
    ("status", "epoch", "stays"),
    [
        ("succeeded", 1, True),
        ("succeeded", 2, False),
        ("failed", 1, False),
        ("cancelled", 2, False),
        ("unknown", 1, False),
        ("running", 1, True),
        ("running", 2, False),
        ("pending", 2, False),
        ("pending", 1, True),
    ],
)
def test_files_of_attempts_go_unless_the_attempt_is_recorded_or_under_way(
    contents: Contents, folder: Path, status: str, epoch: int, stays: bool
):
    invocation = ToolInvocationFactory.create(status=status, waits_for="", epoch=epoch)
    made(contents, invocation=invocation, epoch=1)
    dropped = prune_attachments(later(), contents)
    assert dropped == {"attachments": 0 if stays else 1, "files": 0 if stays else 1}
    assert Attachment.objects.exists() is stays
    assert bool(kept(folder)) is stays


def test_what_no_tool_has_made_stays(contents: Contents, alice):
    made(contents, invocation=None, user=alice, epoch=0)
    assert prune_attachments(later(), contents) == {"attachments": 0, "files": 0}


def test_bytes_that_two_have_stay_until_the_second_goes(contents: Contents, folder: Path):
    one, two = made(contents), made(contents)
    one.delete()
    assert prune_attachments(later(), contents)["files"] == 0
    assert contents.open(two.sha256, two.size).read() == b"abc"
    two.delete()
    assert prune_attachments(later(), contents)["files"] == 1
    assert kept(folder) == set()


@pytest.mark.parametrize("whose", ["conversation", "user"])
def test_a_deleted_conversation_or_user_takes_its_files_along(contents: Contents, folder: Path, whose: str):
    row = made(contents)
    stays = made(contents, b"somebody else's")
    assert row.invocation is not None
    getattr(row.invocation, whose).delete()
    assert prune_attachments(later(), contents) == {"attachments": 0, "files": 1}
    assert list(Attachment.objects.all()) == [stays]


def test_what_was_made_within_the_hour_is_left_alone(contents: Contents, folder: Path):
    made(contents, invocation=ToolInvocationFactory.create(status="failed", waits_for=""), epoch=0)
    assert prune_attachments(timezone.now(), contents) == {"attachments": 0, "files": 0}
    assert kept(folder)
