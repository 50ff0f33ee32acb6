"""The site's storage of attachments in a folder of a test's own, and what asynchronous tests leave behind."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as of_the_site
from django.db import connections


def stored_in(folder: Path) -> dict[str, Any]:
    """For `settings.STORAGES`."""
    all_of_them: dict[str, dict[str, Any]] = dict(of_the_site.STORAGES)  # type: ignore[arg-type]  # as the settings have it
    return {**all_of_them, "attachments": {**all_of_them["attachments"], "OPTIONS": {"location": folder}}}


async def close_connections() -> None:
    """Those of the thread on which asynchronous clients and queries ask: a test's database cannot be dropped before."""
    await sync_to_async(connections.close_all)()


@pytest.fixture
async def own_folder(settings: Any, tmp_path: Path) -> AsyncIterator[None]:
    """For asynchronous tests: the site keeps its files in a folder of the test's own."""
    settings.STORAGES = stored_in(tmp_path / "files")
    yield
    await close_connections()
