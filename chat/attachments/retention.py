"""Drops files that nobody has: of attempts without a result, of conversations and people that were deleted."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from chat.attachments.contents import Contents
from chat.models import Attachment

GRACE: Final = timedelta(hours=1)
"""For what was made just now. Nothing depends on it but clocks that differ."""
STEP: Final = 500


def prune_attachments(now: datetime, contents: Contents) -> dict[str, int]:
    """Rows first, then the bytes without one. Returns how many of each; safe to be run early, twice, at once."""
    before = now - GRACE
    rows = 0
    while keys := list(
        Attachment.objects.left_over(before).order_by("pk").values_list("pk", flat=True)[:STEP]
    ):
        rows += Attachment.objects.filter(pk__in=keys).delete()[0]
    return {"attachments": rows, "files": contents.sweep(before, _with_a_row)}


def _with_a_row(sha256: Collection[str]) -> set[str]:
    return set(Attachment.objects.filter(sha256__in=sha256).values_list("sha256", flat=True))
