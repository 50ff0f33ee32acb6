"""The site's storage of attachments in a folder of a test's own."""

from pathlib import Path
from typing import Any

from django.conf import settings


def stored_in(folder: Path) -> dict[str, Any]:
    """For `settings.STORAGES`."""
    all_of_them: dict[str, dict[str, Any]] = dict(settings.STORAGES)  # type: ignore[arg-type]  # as the settings have it
    return {**all_of_them, "attachments": {**all_of_them["attachments"], "OPTIONS": {"location": folder}}}
