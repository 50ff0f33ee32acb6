"""Secrets that sign webhooks: kept sealed, replaced without a gap."""

import json
from datetime import datetime, timedelta
from typing import Final

from cryptography.fernet import InvalidToken
from django.db import models

from chat.exceptions import Internal
from chat.models.sealing import fernet

PURPOSE: Final = "webhook-secrets"


class RotatingSecrets(models.Model):
    """Several hold at once while one is being replaced. To be saved by the caller."""

    secrets_encrypted = models.BinaryField(default=b"", editable=False)

    class Meta:
        abstract = True

    def set_secret(self, secret: str) -> None:
        """This one alone holds from now on."""
        self._seal([(secret, None)])

    def rotate(self, secret: str, *, now: datetime, keep: timedelta) -> None:
        """This one comes first; those before it hold as well for a while, so that the other side can change over."""
        until = (now + keep).isoformat()
        try:
            earlier = [(known, end or until) for known, end in self._unsealed() if _holds(end, now)]
        except Internal:
            earlier = []  # what cannot be read signs nothing, and this is the way out
        self._seal([(secret, None), *earlier])

    def secrets_at(self, now: datetime) -> list[str]:
        """Those that hold, the newest first.

        Raises:
            Internal: they cannot be read.
        """
        return [secret for secret, until in self._unsealed() if _holds(until, now)]

    def _seal(self, secrets: list[tuple[str, str | None]]) -> None:
        self.secrets_encrypted = fernet(PURPOSE).encrypt(json.dumps(secrets).encode())

    def _unsealed(self) -> list[tuple[str, str | None]]:
        if not self.secrets_encrypted:
            return []
        try:
            return [(s, end) for s, end in json.loads(fernet(PURPOSE).decrypt(bytes(self.secrets_encrypted)))]
        except InvalidToken:
            raise Internal(
                detail="The webhook's secrets do not fit the secret key any more; give it a new one."
            ) from None


def _holds(until: str | None, now: datetime) -> bool:
    return until is None or datetime.fromisoformat(until) > now
