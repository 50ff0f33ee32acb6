"""People, and the link that makes the first of them."""

from uuid import uuid4

from django.contrib.auth.models import AbstractUser
from django.db import models

from chat.models.base import Row, new_id


class User(AbstractUser):
    """Our own from the first migration on, so that it can grow."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    pseudonym = models.UUIDField(default=uuid4, unique=True, editable=False)
    """What the ledger and the audit log call this person. It goes with this row, and nothing else says whose it was."""
    language = models.CharField(max_length=16, blank=True)
    """A language code of settings.LANGUAGES; there is one so far."""

    def __str__(self) -> str:
        return self.get_username()


class SetupLink(Row):
    """A one-time link: whoever opens it makes the first administrator. Only the token's hash is kept."""

    token_sha256 = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)
