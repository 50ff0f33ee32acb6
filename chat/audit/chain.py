"""Appending to the audit log: the one place that does.

The head's row is locked while somebody appends, so that two writers take turns (SQLite has one writer anyway), and is
changed by compare-and-set. It is the last row that a transaction locks: append at its end, or somebody who waits for
the head is waited for.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import structlog
from django.db import IntegrityError, transaction

from chat.audit.canonical import digest
from chat.audit.facts import Fact
from chat.audit.seals import Seals
from chat.exceptions import StorageUnavailable
from chat.llm.dialects.text import clean, clean_json
from chat.models.audit import AuditEntry, AuditHead

logger = structlog.get_logger(__name__)

HEAD: Final = "audit head"
MOST_REASON: Final = 300
MOST_KEY: Final = 100
MOST_BREAKS: Final = 100


def append(
    *facts: Fact, seals: Seals, now: Callable[[], datetime], durable: bool = False
) -> list[AuditEntry]:
    """One entry each, in this order: with the transaction that it is called in, or all of them or none.

    `durable`: they are committed when this returns; so whoever is about to show something says it. Called within a
    transaction that raises RuntimeError.

    Raises:
        StorageUnavailable: somebody has changed the head without locking it.
        ValueError: details that have no canonical form.
    """
    with transaction.atomic(durable=durable):
        head = _locked()
        sequence, sha256, breaks = _end_of(head, seals)
        entries = []
        for fact in facts:
            sequence += 1
            entry = _entry(fact, sequence, now(), previous=sha256)
            sha256 = entry.sha256
            entries.append(entry)
        AuditEntry.objects.bulk_create(entries)
        seen = AuditHead.objects.filter(pk=head.pk, sequence=head.sequence, seal=head.seal)
        values = {"sequence": sequence, "sha256": sha256, "breaks": breaks}
        if not seen.update(**values, seal=seals.seal(HEAD, values)):
            raise StorageUnavailable(detail="the head of the audit log was changed in between")
    return entries


def sealed_fields(head: AuditHead) -> dict[str, Any]:
    return {"sequence": head.sequence, "sha256": head.sha256, "breaks": head.breaks}


def _locked() -> AuditHead:
    the_one = AuditHead.objects.select_for_update().filter(pk=AuditHead.THE_ONE)
    head = the_one.first()
    if head is None:
        try:
            with transaction.atomic():
                # Without a seal: `_end_of` decides what to make of it.
                AuditHead.objects.create(pk=AuditHead.THE_ONE)
        except IntegrityError:
            pass  # somebody else was quicker, and has committed it
        head = the_one.get()
    return head


def _end_of(head: AuditHead, seals: Seals) -> tuple[int, str, list[int]]:
    """Number and hash of the last entry, and where the chain has been broken.

    A head that is gone or forged is not taken for the truth: what is there is, and that it was so stays in the head for
    `verify_audit`. Nobody is kept from working by it.
    """
    if seals.holds(head.seal, HEAD, sealed_fields(head)):
        return head.sequence, head.sha256, head.breaks
    last = AuditEntry.objects.order_by("-sequence").first()
    if last is None and head.seal == "":
        return 0, "", []
    found = (0, "") if last is None else (last.sequence, last.sha256)
    logger.error("the head of the audit log is gone or forged: run manage.py verify_audit", after=found[0])
    known = head.breaks if isinstance(head.breaks, list) else []
    return *found, [*(one for one in known if isinstance(one, int)), found[0]][:MOST_BREAKS]


def _entry(fact: Fact, sequence: int, at: datetime, *, previous: str) -> AuditEntry:
    fields: dict[str, Any] = {
        "sequence": sequence,
        "at": at,
        "actor": fact.actor,
        "action": fact.action,
        "kind": fact.kind,
        "key": clean(fact.key)[:MOST_KEY],
        "subject": fact.subject,
        "reason": clean(fact.reason)[:MOST_REASON],
        "details": clean_json(fact.details),
    }
    return AuditEntry(**fields, sha256=digest(**fields, previous=previous))
