"""Chains for tests: entries of this key and this clock."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from chat.audit import chain
from chat.audit.facts import Fact
from chat.audit.seals import Seals
from chat.models import AuditEntry

ADA, ALICE = UUID(int=0xADA), UUID(int=0xA11CE)
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """Goes on by a second each time it is asked."""

    def __init__(self, now: datetime = BEGAN) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


SEALS = Seals([b"a key of its own"])


def look(**changes: Any) -> Fact:
    fields: dict[str, Any] = {
        "action": "look",
        "kind": "run",
        "key": "1",
        "actor": ADA,
        "subject": ALICE,
        "reason": "ticket",
    }
    return Fact(**(fields | changes))


def append(*facts: Fact, seals: Seals = SEALS, now: Clock | None = None, **options: Any) -> list[AuditEntry]:
    return chain.append(*facts, seals=seals, now=now or Clock(), **options)
