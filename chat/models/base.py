"""What all tables share: time-ordered keys."""

import uuid
from datetime import datetime

from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562): sorts by time of creation, so that new rows land at the end of each index."""
    return uuid7()


def second_of(moment: datetime) -> str:
    """To tell rows of one minute apart, in the site's time. A row not saved yet has no time."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}" if isinstance(moment, datetime) else "not saved"


class Row(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True
