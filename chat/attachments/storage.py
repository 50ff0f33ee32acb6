"""A folder in which a file is there whole or not at all, for Django's storage API (`STORAGES["attachments"]`)."""

import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

HALF: Final = "incoming"
"""Where files lie while they are being written; on the same file system, so that one step puts them in place."""
ASIDE: Final = ".going"


class WholeFiles(FileSystemStorage):
    """For names that say what is inside: what is saved under a name that exists takes its place, in one step.

    Several machines may share the folder (NFS): nothing here needs a lock or a hard link.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: "File[Any]") -> str:
        """Written, brought to the disk, renamed: whoever is killed in between leaves only something in `incoming`."""
        path = Path(self.path(name))
        half_folder = Path(self.path(HALF))
        for folder in (half_folder, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, half = tempfile.mkstemp(dir=half_folder)
        try:
            with os.fdopen(number, "wb") as file:
                for piece in content.chunks():
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            Path(half).replace(path)
        except BaseException:
            Path(half).unlink(missing_ok=True)
            raise
        _to_disk(path.parent)
        return name

    def remove_unless(self, name: str, wanted: Callable[[], bool]) -> bool:
        """Takes a file away that nobody wants, though somebody may write the same one at this moment.

        It is put aside first and asked for then. Who has said before that they want it is heard, and it comes back;
        who says so later writes it after that, anew. Writers must therefore say so first, and always write. `name` may
        be one that an earlier pass put aside, before it was killed. What one pass puts aside has a name of its own:
        another at the same time must not drop what was written since.
        """
        path = Path(self.path(name.partition(ASIDE)[0]))
        aside = Path(self.path(name))
        try:
            if aside == path:
                aside = path.with_name(f"{path.name}{ASIDE}{secrets.token_hex(4)}")
                path.rename(aside)
            if wanted():
                aside.replace(path)
                return False
            aside.unlink()
        except FileNotFoundError:  # another pass was quicker, with the same question
            return False
        return True


def _to_disk(folder: Path) -> None:
    """The new name of a file is the folder's content."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
