"""What all tables share: time-ordered keys."""

import uuid

from django.db import models
from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562): sorts by time of creation, so that new rows land at the end of each index."""
    return uuid7()


class Row(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True
