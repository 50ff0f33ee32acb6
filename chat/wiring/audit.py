"""The audit log, with the keys of the settings."""

import hashlib
import hmac
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from chat.audit import chain
from chat.audit.facts import Fact
from chat.audit.seals import Seals
from chat.models import AuditEntry

DERIVED: Final = "secret-key"
"""Among AUDIT_KEY_FALLBACKS: the key that is derived from the secret key, as it is where there is no AUDIT_KEY."""


def record(*facts: Fact, durable: bool = False) -> list[AuditEntry]:
    """Appends to the audit log (chat.audit.chain.append)."""
    return chain.append(*facts, seals=seals(), now=timezone.now, durable=durable)


def seals() -> Seals:
    keys = []
    for key in (settings.AUDIT_KEY, *settings.AUDIT_KEY_FALLBACKS):
        keys += _derived() if key in ("", DERIVED) else [key.encode()]
    return Seals(keys)


def pseudonym_of(user: object) -> UUID | None:
    """None of somebody who is not signed in."""
    return getattr(user, "pseudonym", None)


def _derived() -> list[bytes]:
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [hmac.digest(secret.encode(), b"audit head", hashlib.sha256) for secret in secrets]
