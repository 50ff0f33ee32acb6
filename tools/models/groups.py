"""A tool or a model that is kept for groups, when one of them is deleted: of ours or of another app."""

import logging
from typing import Any

from django.contrib.auth.models import Group
from django.db import models

logger = logging.getLogger(__name__)


def close_to_everybody(rows: models.QuerySet[Any], group: Group) -> None:
    """No groups means everybody, so what was for this group alone is switched off.

    To be called before the group goes. `rows` have `groups` and `enabled`.
    """
    for row in rows.filter(groups=group):
        # One by one, and now: of several that are deleted at once each sees what the others have left.
        row.groups.remove(group)
        if row.enabled and not row.groups.exists():
            rows.filter(pk=row.pk).update(enabled=False)
            what = row._meta.verbose_name
            logger.warning("The %s %s is off: the last group it was for, %s, is deleted.", what, row, group)
