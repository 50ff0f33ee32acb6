"""API tokens: what programs sign in with. A row says what a token may do and until when, never the token itself."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from chat.models.base import Row

if TYPE_CHECKING:
    from chat.models.users import User

MARK: Final = "lct_"
"""All begin with it, so that people and scanners of leaks know what they see."""
RANDOM_BYTES: Final = 32
PREFIX_CHARACTERS: Final = len(MARK) + 6
USE_NOTED_EVERY: Final = timedelta(minutes=1)


class TokenScope(models.TextChoices):
    """What a token may do of what its owner may."""

    CONVERSATIONS_READ = "conversations:read", _("read conversations and files")
    CONVERSATIONS_WRITE = "conversations:write", _("change and delete conversations")
    RUNS_READ = "runs:read", _("follow answers and tool calls, hear notices")
    RUNS_WRITE = "runs:write", _("send messages, start and stop answers")
    TOOLS_DECIDE = "tools:decide", _("approve tool calls, and answer them")
    USAGE_READ = "usage:read", _("read what was used")
    WEBHOOKS_READ = "webhooks:read", _("list webhook endpoints and deliveries")
    WEBHOOKS_WRITE = "webhooks:write", _("add and remove webhook endpoints, deliver again")


def new_secret() -> str:
    return MARK + secrets.token_urlsafe(RANDOM_BYTES)


def digest_of(secret: str) -> str:
    """SHA-256: a secret of 256 random bits cannot be guessed from it, and it is found by an index."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def visible_to(self, user: "User") -> "ApiTokenQuerySet":
        return self.filter(owner=user)

    def usable(self, now: datetime) -> "ApiTokenQuerySet":
        """Neither revoked nor expired, of people who are active."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        return self.filter(unexpired, revoked_at=None, owner__is_active=True)

    def revoke(self, now: datetime) -> int:
        """How many had not been; when a token was revoked stays as it was."""
        return self.filter(revoked_at=None).update(revoked_at=now)

    def note_use(self, token: "ApiToken", now: datetime) -> None:
        """Once a minute at most: a row that is written at every request is a line in which all requests wait."""
        seen = token.last_used_at
        if seen is None or now - seen >= USE_NOTED_EVERY:
            self.filter(pk=token.pk, last_used_at=seen).update(last_used_at=now)


class ApiToken(Row):
    owner = models.ForeignKey("chat.User", models.CASCADE, related_name="api_tokens", verbose_name=_("owner"))
    name = models.CharField(_("name"), max_length=100, blank=True)
    prefix = models.CharField(_("begins with"), max_length=16)
    """Enough of it to tell one's tokens apart."""
    token_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("made"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"), null=True)
    """Null: never."""
    revoked_at = models.DateTimeField(_("revoked"), null=True)
    last_used_at = models.DateTimeField(_("last used"), null=True)
    """To the minute."""

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        default_permissions = ("view", "change")
        indexes = [models.Index(fields=["created_at"], name="token_by_time")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)" if self.name else f"{self.prefix}…"

    @classmethod
    def made(
        cls, owner: "User", *, scopes: Collection[str], expires_at: datetime | None = None, name: str = ""
    ) -> tuple["ApiToken", str]:
        """A new row, to be saved by the caller, and the token, which nobody can ever tell again."""
        secret = new_secret()
        row = cls(
            owner=owner,
            name=name,
            prefix=secret[:PREFIX_CHARACTERS],
            token_sha256=digest_of(secret),
            scopes=[scope.value for scope in TokenScope if scope in scopes],
            expires_at=expires_at,
        )
        return row, secret
