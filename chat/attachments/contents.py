"""The bytes of attachments, each once: their SHA-256 says where they lie (`ab/abcdef…`)."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from itertools import islice
from typing import IO, Final

import structlog
from django.core.files.base import ContentFile
from django.core.files.storage import Storage

from chat.attachments.storage import ASIDE, HALF, WholeFiles

logger = structlog.get_logger(__name__)

STEP: Final = 200
"""Contents that are asked for at once."""

Wanted = Callable[[Collection[str]], set[str]]
"""Which of these SHA-256 have a row."""


class Gone(Exception):
    """There is a row, and no such bytes."""


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Contents:
    """In any Django storage. What keeps out of each other's way when one is written and dropped is `WholeFiles`; with
    another storage a content that lay unused for hours, and is made again in the moment it is dropped, is lost."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def put(self, content: bytes, sha256: str) -> None:
        """Always written, even if it is there: what is there may be about to go. Its row must be committed.

        Raises:
            OSError
        """
        name = _name(sha256)
        saved = self._storage.save(name, ContentFile(content))
        if saved != name:  # the storage keeps what is there
            self._storage.delete(saved)

    def open(self, sha256: str, size: int) -> IO[bytes]:
        """
        Raises:
            Gone: it is not there, or not of that size.
        """
        name = _name(sha256)
        try:
            there = self._storage.size(name)
            if there == size:
                return self._storage.open(name, "rb")
        except OSError as error:
            raise Gone(str(error)) from error
        raise Gone(f"{there} bytes instead of {size}")

    def sweep(self, before: datetime, wanted: Wanted) -> int:
        """Drops what nobody has, unless it was written since `before`, and halves of files that nobody finished."""
        dropped = 0
        for folder in self._folders():
            old = self._old(folder, before)
            while names := list(islice(old, STEP)):
                if folder == HALF:
                    for name in names:
                        self._storage.delete(f"{folder}/{name}")
                    continue
                kept = wanted([_sha256(name) for name in names])
                for name in names:
                    if _sha256(name) not in kept or ASIDE in name:
                        dropped += self._remove(f"{folder}/{name}", wanted)
        return dropped

    def _folders(self) -> list[str]:
        try:
            return self._storage.listdir("")[0]
        except FileNotFoundError:  # nothing was ever kept
            return []

    def _old(self, folder: str, before: datetime) -> Iterator[str]:
        for name in self._storage.listdir(folder)[1]:
            try:
                written = self._storage.get_modified_time(f"{folder}/{name}")
            except OSError:  # another pass was quicker
                continue
            if written < before:
                yield name

    def _remove(self, name: str, wanted: Wanted) -> bool:
        sha256 = _sha256(name.rpartition("/")[2])
        try:
            if isinstance(self._storage, WholeFiles):
                return self._storage.remove_unless(name, lambda: bool(wanted([sha256])))
            self._storage.delete(name)
        except OSError as error:
            logger.warning("a file could not be dropped", file=name, reason=str(error))
            return False
        return True


def _name(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _sha256(name: str) -> str:
    return name.partition(ASIDE)[0]
