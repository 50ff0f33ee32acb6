"""The bytes in their folder: whole or not at all, once, and dropped only when nobody has them."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage

from chat.attachments.contents import Contents, Gone, digest
from chat.attachments.storage import WholeFiles
from tests.attachments.conftest import kept

SOON = datetime.now(UTC) + timedelta(days=1)


def place(content: bytes) -> str:
    sha256 = digest(content)
    return f"{sha256[:2]}/{sha256}"


def put(contents: Contents, content: bytes) -> str:
    sha256 = digest(content)
    contents.put(content, sha256)
    return sha256


def test_what_is_put_twice_lies_there_once_under_what_it_is(contents: Contents, folder: Path):
    sha256 = put(contents, b"abc")
    put(contents, b"abc")
    assert kept(folder) == {place(b"abc")}
    assert contents.open(sha256, 3).read() == b"abc"


def test_nobody_else_on_the_machine_may_read_it(contents: Contents, folder: Path):
    put(contents, b"abc")
    assert (folder / place(b"abc")).stat().st_mode & 0o077 == 0


def test_a_writer_that_breaks_off_leaves_nothing(contents: Contents, folder: Path):
    class Breaks(ContentFile):
        def chunks(self, chunk_size=None):
            yield b"half"
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        WholeFiles(folder).save("ab/abcd", Breaks(b""))
    assert kept(folder) == set()


def test_what_was_damaged_is_whole_again_when_it_is_put_again(contents: Contents, folder: Path):
    sha256 = put(contents, b"abc")
    (folder / place(b"abc")).write_bytes(b"a")
    put(contents, b"abc")
    assert contents.open(sha256, 3).read() == b"abc"


def test_bytes_that_are_not_there_are_gone(contents: Contents):
    with pytest.raises(Gone):
        contents.open(digest(b"never"), 5)


def test_bytes_of_another_length_are_gone(contents: Contents, folder: Path):
    sha256 = put(contents, b"abc")
    (folder / place(b"abc")).write_bytes(b"a")
    with pytest.raises(Gone, match="1 bytes instead of 3"):
        contents.open(sha256, 3)


def test_a_sweep_takes_what_nobody_has_and_leaves_the_rest(contents: Contents, folder: Path):
    wanted = put(contents, b"wanted")
    put(contents, b"unwanted")
    assert contents.sweep(SOON, lambda asked: {wanted} & set(asked)) == 1
    assert kept(folder) == {place(b"wanted")}


def test_a_sweep_leaves_what_was_written_just_now(contents: Contents, folder: Path):
    put(contents, b"new")
    assert contents.sweep(datetime.now(UTC) - timedelta(hours=1), lambda _asked: set()) == 0
    assert kept(folder) == {place(b"new")}


def test_a_sweep_of_a_folder_that_was_never_used_finds_nothing(contents: Contents):
    assert contents.sweep(SOON, lambda _asked: set()) == 0


def test_halves_that_a_dead_writer_has_left_go_when_they_are_old(contents: Contents, folder: Path):
    put(contents, b"whole")
    old, fresh = folder / "incoming" / "old", folder / "incoming" / "fresh"
    old.write_bytes(b"half")
    fresh.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    contents.sweep(datetime.now(UTC) - timedelta(hours=1), lambda asked: set(asked))
    assert kept(folder) == {place(b"whole"), "incoming/fresh"}


def test_who_wants_it_while_it_is_being_dropped_gets_it_back(contents: Contents, folder: Path):
    """A row is written after the first look, and the bytes before the second: both wait for neither."""
    sha256 = put(contents, b"abc")
    looks = []

    def wanted(asked):
        looks.append(kept(folder))
        return {sha256} if len(looks) > 1 else set()

    assert contents.sweep(SOON, wanted) == 0
    first, second = looks
    assert first == {place(b"abc")}
    assert [name.partition(".going")[0] for name in second] == [place(b"abc")]
    assert second != first
    assert kept(folder) == {place(b"abc")}


def test_who_writes_it_while_it_is_being_dropped_keeps_what_is_written(contents: Contents, folder: Path):
    sha256 = put(contents, b"abc")
    looks = []

    def wanted(asked):
        looks.append(asked)
        if len(looks) == 2:  # no row as far as this look can see; the writer comes right behind it
            contents.put(b"abc", sha256)
        return set()

    assert contents.sweep(SOON, wanted) == 1
    assert kept(folder) == {place(b"abc")}


def test_two_sweeps_at_once_do_not_drop_what_was_written_between_them(contents: Contents, folder: Path):
    sha256 = put(contents, b"abc")
    has_asked, may_go_on = threading.Event(), threading.Event()

    def nobody_wants_it() -> bool:
        has_asked.set()
        may_go_on.wait(20)
        return False

    first = threading.Thread(target=WholeFiles(folder).remove_unless, args=(place(b"abc"), nobody_wants_it))
    first.start()
    has_asked.wait(20)
    put(contents, b"abc")  # by somebody whose row came right after the first one's question

    def somebody_wants_it() -> bool:
        may_go_on.set()
        first.join(20)
        return True

    assert WholeFiles(folder).remove_unless(place(b"abc"), somebody_wants_it) is False
    assert contents.open(sha256, 3).read() == b"abc"


@pytest.mark.parametrize("is_wanted", [True, False])
def test_what_a_sweep_had_put_aside_when_it_was_killed_is_decided_by_the_next(
    contents: Contents, folder: Path, is_wanted: bool
):
    put(contents, b"abc")
    path = folder / place(b"abc")
    path.rename(path.with_name(path.name + ".going0a1b"))
    contents.sweep(SOON, lambda asked: set(asked) if is_wanted else set())
    assert kept(folder) == ({place(b"abc")} if is_wanted else set())


def test_another_storage_of_djangos_does_as_well():
    contents = Contents(InMemoryStorage())
    sha256 = put(contents, b"abc")
    put(contents, b"abc")
    assert contents.open(sha256, 3).read() == b"abc"
    assert contents.sweep(SOON, lambda asked: set(asked)) == 0
    assert contents.sweep(SOON, lambda _asked: set()) == 1
    with pytest.raises(Gone):
        contents.open(sha256, 3)
