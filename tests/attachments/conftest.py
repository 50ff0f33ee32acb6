"""A folder for the bytes, of the test's own."""

from pathlib import Path

import pytest

from chat.attachments.contents import Contents
from chat.attachments.storage import WholeFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def contents(folder: Path) -> Contents:
    return Contents(WholeFiles(folder))


def kept(folder: Path) -> set[str]:
    """What lies in it, whole or half."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
