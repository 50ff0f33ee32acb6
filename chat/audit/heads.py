"""Heads that are written out: where the chain stood, sealed, for a place that who runs the database cannot reach."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from django.db.models import Max, Min
from msgspec import Struct

from chat.audit.canonical import canonical, instant
from chat.audit.seals import Seals
from chat.audit.walk import Place, walk
from chat.models.audit import AuditCheckpoint, AuditEntry

WRITTEN: Final = "audit head, written out"
MOST_DAYS: Final = 400
"""Caught up with in one turn."""
MOST_SENT: Final = 100
"""Sent in one turn."""


class WrittenHead(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the file, and the body of the webhook."""

    day: str | None
    made_at: str
    sequence: int
    sha256: str
    seal: str
    event: str = "audit.head"

    def sealed(self) -> Mapping[str, Any]:
        return {
            "day": self.day, "made_at": self.made_at, "sequence": self.sequence, "sha256": self.sha256,
        }  # fmt: skip

    def line(self) -> bytes:
        return canonical(msgspec.to_builtins(self))


def make_due(now: datetime, seals: Seals) -> list[AuditCheckpoint]:
    """One for each day (UTC) that has ended and has none yet, from the first entry on; at most so many in one turn.

    What follows the head before is read again first: no seal is put on a chain that does not fit.

    Raises:
        Broken: it does not fit.
    """
    done = AuditCheckpoint.objects.exclude(day=None).order_by("-day").first()
    first = _first_day() if done is None else _day(done) + timedelta(days=1)
    if first is None:
        return []
    today = now.astimezone(UTC).date()
    days = [first + timedelta(days=n) for n in range(min(MOST_DAYS, (today - first).days))]
    ends = {day: _last_of(day) for day in days}
    here = Place() if done is None else Place(done.sequence, done.sha256)
    hashes = {here.sequence: here.sha256}
    wanted = set(ends.values())
    for place in walk(here, up_to=max(wanted, default=0)):
        if place.sequence in wanted:
            hashes[place.sequence] = place.sha256
    made = []
    for day, sequence in ends.items():
        # An entry may have come by a clock that was behind: the chain never goes back.
        here = Place(max(sequence, here.sequence), hashes.get(sequence, here.sha256))
        row, new = AuditCheckpoint.objects.get_or_create(day=day, defaults=_values(day, here, now, seals))
        made += [row] if new else []
    return made


def make_now(now: datetime, seals: Seals) -> AuditCheckpoint:
    """One of this moment.

    Raises:
        Broken: the chain does not fit.
    """
    done = AuditCheckpoint.objects.order_by("-sequence").first()
    here = Place() if done is None else Place(done.sequence, done.sha256)
    for place in walk(here):
        here = place
    return AuditCheckpoint.objects.create(day=None, **_values(None, here, now, seals))


def file_due(path: Path, now: Callable[[], datetime]) -> int:
    """Appends those that are in no file yet, and is on the disk when it returns; how many. Each stands there at least
    once: whoever is killed in between writes it again."""
    rows = list(AuditCheckpoint.objects.filter(filed_at=None).order_by("pk"))
    if rows:
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(path, b"".join(written(row).line() + b"\n" for row in rows))
        AuditCheckpoint.objects.filter(pk__in=[row.pk for row in rows]).update(filed_at=now())
    return len(rows)


def send_due(send: Callable[[str, bytes], bool], now: Callable[[], datetime]) -> int:
    """Sends those that were not taken yet, the oldest first, up to the first that is not taken now; how many were.
    `send` is given an id, the same at each try, and the body."""
    sent = 0
    for row in AuditCheckpoint.objects.filter(delivered_at=None).order_by("pk")[:MOST_SENT]:
        if not send(f"audit-head-{row.pk}-{row.seal[:16]}", written(row).line()):
            break
        AuditCheckpoint.objects.filter(pk=row.pk).update(delivered_at=now())
        sent += 1
    return sent


def written(row: AuditCheckpoint) -> WrittenHead:
    day = None if row.day is None else row.day.isoformat()
    return WrittenHead(day, instant(row.made_at), row.sequence, row.sha256, row.seal)


def read_heads(lines: Iterable[bytes]) -> Iterator[WrittenHead | None]:
    """None for a line that is no head."""
    for line in lines:
        if line.strip():
            try:
                yield msgspec.json.decode(line, type=WrittenHead)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                yield None


def _values(day: date | None, place: Place, now: datetime, seals: Seals) -> dict[str, Any]:
    head = WrittenHead(
        None if day is None else day.isoformat(), instant(now), place.sequence, place.sha256, ""
    )
    seal = seals.seal(WRITTEN, head.sealed())
    return {"sequence": place.sequence, "sha256": place.sha256, "made_at": now, "seal": seal}


def _append(path: Path, lines: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, lines)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _first_day() -> date | None:
    at: datetime | None = AuditEntry.objects.aggregate(first=Min("at"))["first"]
    return None if at is None else at.astimezone(UTC).date()


def _last_of(day: date) -> int:
    ended = datetime.combine(day + timedelta(days=1), time(), UTC)
    return AuditEntry.objects.filter(at__lt=ended).aggregate(last=Max("sequence"))["last"] or 0


def _day(row: AuditCheckpoint) -> date:
    assert row.day is not None  # noqa: S101  (asked for)
    return row.day
