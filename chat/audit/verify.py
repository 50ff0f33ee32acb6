"""Whether the audit log is what it was: each entry, the end of the chain, and the heads that were written out."""

from collections.abc import Iterable
from itertools import chain as joined

from msgspec import Struct

from chat.audit.chain import HEAD, sealed_fields
from chat.audit.heads import WRITTEN, WrittenHead
from chat.audit.seals import Seals
from chat.audit.walk import Broken, Place, walk
from chat.models.audit import AuditHead


class Verdict(Struct):
    entries: int = 0
    """That fit, from the first on."""
    heads: int = 0
    first_bad: int | None = None
    """The entry at which the chain breaks."""
    faults: list[str] = []
    """In words; none: it is whole."""


def verify(
    seals: Seals, heads: Iterable[tuple[str, WrittenHead | None]], *, known_breaks: Iterable[int] = ()
) -> Verdict:
    """`heads` with where each comes from, None for what could not be read. `known_breaks` are those of the head that
    somebody knows the cause of."""
    verdict = Verdict()
    kept = _kept(seals, heads, verdict)
    end = _walked(kept, verdict)
    verdict.entries = end.sequence
    if verdict.first_bad is None:
        _check_end(end, seals, set(known_breaks), verdict)
        for origin, head in joined(*kept.values()):
            verdict.faults.append(
                f"The head written out {_when(head)} ({origin}) is of entry {head.sequence}, but there are only "
                f"{end.sequence}: the last ones are missing."
            )
    return verdict


def _kept(
    seals: Seals, heads: Iterable[tuple[str, WrittenHead | None]], verdict: Verdict
) -> dict[int, list[tuple[str, WrittenHead]]]:
    """By the entry that they are of, with those left out that we have not sealed."""
    kept: dict[int, list[tuple[str, WrittenHead]]] = {}
    for origin, head in heads:
        verdict.heads += 1
        if head is None:
            verdict.faults.append(f"{origin} is no head: it was changed.")
        elif not seals.holds(head.seal, WRITTEN, head.sealed()):
            verdict.faults.append(
                f"The head written out {_when(head)} ({origin}) has no seal of ours: it is forged, or its key is not "
                "in AUDIT_KEY_FALLBACKS."
            )
        elif head.sequence > 0:
            kept.setdefault(head.sequence, []).append((origin, head))
    return kept


def _walked(kept: dict[int, list[tuple[str, WrittenHead]]], verdict: Verdict) -> Place:
    """The last entry that fits. Heads that it has passed are taken out of `kept`."""
    here = Place()
    try:
        for here in walk():
            for origin, head in kept.pop(here.sequence, ()):
                if head.sha256 != here.sha256:
                    verdict.faults.append(
                        f"Entry {here.sequence} is not the one that was written out {_when(head)} ({origin}): it, "
                        "or one before it, was changed and the chain made anew."
                    )
                    verdict.first_bad = here.sequence if verdict.first_bad is None else verdict.first_bad
    except Broken as broken:
        verdict.faults.append(str(broken))
        if verdict.first_bad is None:
            verdict.first_bad = broken.sequence
    return here


def _check_end(end: Place, seals: Seals, known: set[int], verdict: Verdict) -> None:
    # Read after the entries: whatever was appended meanwhile is in both, and is walked now.
    head = AuditHead.objects.filter(pk=AuditHead.THE_ONE).first()
    if head is None:
        if end.sequence:
            verdict.faults.append(f"The head of the chain is gone; there are {end.sequence} entries.")
        return
    if not seals.holds(head.seal, HEAD, sealed_fields(head)):
        verdict.faults.append(
            "The head of the chain has no seal of ours: it is forged, or its key is not in AUDIT_KEY_FALLBACKS."
        )
        return
    verdict.faults += [
        f"After entry {number} the head of the chain was gone, or had no seal of ours."
        for number in head.breaks
        if number not in known
    ]
    try:
        for place in walk(end, up_to=head.sequence):
            end = place
            verdict.entries = place.sequence
    except Broken as broken:
        verdict.faults.append(str(broken))
        verdict.first_bad = broken.sequence
        return
    if end.sequence < head.sequence:
        verdict.faults.append(
            f"The chain ends at entry {end.sequence}, but its head is of entry {head.sequence}: the last ones are "
            "missing."
        )
    elif end.sequence > head.sequence or end.sha256 != head.sha256:
        verdict.faults.append(
            f"The chain does not end as its head says: it was made anew, up to entry {end.sequence}."
        )
        verdict.first_bad = head.sequence + 1 if end.sequence > head.sequence else end.sequence


def _when(head: WrittenHead) -> str:
    return f"for {head.day}" if head.day else f"at {head.made_at}"
