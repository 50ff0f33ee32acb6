"""What a tool hands in: rows and bytes, within limits, and whose they are once it has a result."""

import asyncio
import threading
from pathlib import Path

import pytest

from chat.attachments.contents import Contents, digest
from chat.attachments.handing_in import AttemptFiles
from chat.conf import FileLimits
from chat.models import Attachment, ToolInvocation, User
from tests.attachments.conftest import kept
from tests.factories import ConversationFactory, RunFactory, ToolInvocationFactory
from tools.exceptions import ToolFailed, ToolUnavailable

pytestmark = pytest.mark.django_db
LIMITS = FileLimits(file_bytes=10, files=3, all_bytes=20)


@pytest.fixture
def invocation(alice: User) -> ToolInvocation:
    run = RunFactory.create(conversation=ConversationFactory.create(owner=alice))
    return ToolInvocationFactory.create(run=run, status="running", waits_for="", epoch=1)


@pytest.fixture
def files(invocation: ToolInvocation, contents: Contents) -> AttemptFiles:
    return AttemptFiles(invocation, 1, contents, LIMITS)


def ends(invocation: ToolInvocation, status: str = "succeeded", epoch: int = 1) -> None:
    ToolInvocation.objects.filter(pk=invocation.pk).update(status=status, epoch=epoch)


def test_a_file_is_its_users_when_the_result_is_there(files, invocation, contents, alice, mallory):
    key = files.add("../报告.csv", "Text/CSV; charset=utf-8", b"a,b")
    assert not Attachment.objects.visible_to(alice).exists()
    ends(invocation)
    row = Attachment.objects.visible_to(alice).get()
    assert (str(row.pk), row.name, row.media_type, row.size) == (key, "报告.csv", "text/csv", 3)
    assert row.is_recorded
    assert contents.open(row.sha256, row.size).read() == b"a,b"
    assert not Attachment.objects.visible_to(mallory).exists()


@pytest.mark.parametrize("status", ["failed", "cancelled", "timed_out", "unknown"])
def test_a_tool_without_a_result_has_no_files(files, invocation, alice, status):
    files.add("a.csv", "text/csv", b"a")
    ends(invocation, status)
    assert not Attachment.objects.visible_to(alice).exists()
    assert not Attachment.objects.get().is_recorded


def test_of_two_attempts_only_the_recorded_ones_files_are_there(files, invocation, contents, alice):
    files.add("a.csv", "text/csv", b"first")
    again = AttemptFiles(invocation, 2, contents, LIMITS).add("a.csv", "text/csv", b"second")
    files.add("b.csv", "text/csv", b"too late")
    ends(invocation, epoch=2)
    assert [str(row.pk) for row in Attachment.objects.visible_to(alice)] == [again]
    assert [str(row.pk) for row in Attachment.objects.of_results([invocation.pk])[invocation.pk]] == [again]


def test_a_path_is_read_at_once(files, invocation, contents, tmp_path: Path):
    path = tmp_path / "made.txt"
    path.write_bytes(b"here")
    files.add("made.txt", "text/plain", path)
    path.unlink()
    assert contents.open(digest(b"here"), 4).read() == b"here"


@pytest.mark.parametrize("as_path", [False, True])
def test_a_file_that_is_too_large_is_refused_in_words_and_nothing_of_it_stays(
    files, folder, tmp_path, as_path
):
    path = tmp_path / "large"
    path.write_bytes(b"x" * 1000)
    content = path if as_path else b"x" * 11
    with pytest.raises(ToolFailed, match=r"large\.bin is too large: at most 10 bytes"):
        files.add("large.bin", "text/plain", content)
    assert not Attachment.objects.exists()
    assert kept(folder) == set()


def test_one_file_more_than_a_call_may_make_is_refused(files):
    for number in range(3):
        files.add(f"{number}", "text/plain", b"x")
    with pytest.raises(ToolFailed, match="at most 3"):
        files.add("4", "text/plain", b"x")
    assert Attachment.objects.count() == 3


def test_files_that_are_too_large_together_are_refused(files):
    files.add("1", "text/plain", b"x" * 10)
    files.add("2", "text/plain", b"x" * 10)
    with pytest.raises(ToolFailed, match="at most 20 bytes"):
        files.add("3", "text/plain", b"x")


def test_a_folder_that_takes_nothing_is_told_as_unavailable_and_leaves_no_row(files, folder):
    folder.write_text("in the way")
    with pytest.raises(ToolUnavailable, match=r"a\.csv could not be kept"):
        files.add("a.csv", "text/csv", b"a")
    assert not Attachment.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_async_tool_hands_in_likewise(files):
    async def tool() -> str:
        return files.add("a.csv", "text/csv", b"a")

    keys: list[str] = []
    worker = threading.Thread(target=lambda: keys.append(asyncio.run(tool())))
    worker.start()
    worker.join(20)
    assert str(Attachment.objects.get().pk) == keys[0]
