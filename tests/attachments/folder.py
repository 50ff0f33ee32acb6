"""The site's storage of attachments in a folder of a test's own, and what asynchronous tests leave behind."""

from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections


def stored_in(folder: Path) -> dict[str, Any]:
    """For `settings.STORAGES`."""
    all_of_them: dict[str, dict[str, Any]] = dict(settings.STORAGES)  # type: ignore[arg-type]  # as the settings have it
    return {**all_of_them, "attachments": {**all_of_them["attachments"], "OPTIONS": {"location": folder}}}


async def close_connections() -> None:
    """Those of the thread on which asynchronous clients and queries ask: a test's database cannot be dropped before."""
    await sync_to_async(connections.close_all)()
