"""The ledger's one writer: rows of model calls, and in the same transaction what they add to the sums of a day.

A row goes from absent, or `running`, to how the call ended, once. It is counted when it ends, so that writing the same
rows again, where the line broke at a commit, counts nothing. One end gives way: `lost`, as others have billed a call
whose process they thought dead, to what that process says of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Field
from msgspec import Struct

from chat.models import ModelCall, UsageDay
from chat.models.base import new_id
from chat.models.usage import LOST, UNDER_WAY, billionths_of
from chat.usage import quota_uses

Columns = Mapping[str, Any]
"""A row of the ledger, by the columns' names; `id`, `outcome` and `started_at` are among them."""

COUNTERS: Final = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
SUMS: Final = ("calls", *COUNTERS, "cost_billionths")


class DayKey(NamedTuple):
    """Sorts, so that whoever adds to several sums takes them in the order in which everybody does."""

    day: date
    pseudonym: UUID
    provider: str
    model: str
    purpose: str
    currency: str
    usage_source: str


class Change(Struct, frozen=True):
    """A call that has ended by this very write. `before` is what others, who thought it lost, had booked of it."""

    now: Columns
    before: Columns | None = None


def write_calls(rows: Iterable[Columns]) -> list[Change]:
    """Writes them, and what they add to the sums, all or nothing; what has ended by it.

    Within a caller's transaction it comes last: sums are rows that many wait for. Rows are locked in the order of their
    keys, then sums in theirs, then what is used of quotas.

    Raises:
        IntegrityError: what a row names is gone, or another row stands for the same attempt.
    """
    rows = sorted(rows, key=lambda row: row["id"])
    if not rows:
        return []
    with transaction.atomic(savepoint=False):
        _note([row for row in rows if row["outcome"] == UNDER_WAY])
        changes = _end([row for row in rows if row["outcome"] != UNDER_WAY])
        _add(changes)
        quota_uses.count(_come_and_gone(changes))
    return changes


def _come_and_gone(changes: Iterable[Change]) -> Iterator[tuple[Columns, int]]:
    for change in changes:
        if change.before is not None:
            yield change.before, -1
        yield change.now, 1


def columns_of(call: ModelCall) -> dict[str, Any]:
    """A row as it stands, to be written back changed."""
    return {field.attname: getattr(call, field.attname) for field in _fields()}


def _note(rows: Sequence[Columns]) -> None:
    """Of calls under way. What is there already, or has ended since, stays as it is."""
    if rows:
        ModelCall.objects.bulk_create([ModelCall(**row) for row in rows], ignore_conflicts=True)


def _end(rows: Sequence[Columns]) -> list[Change]:
    if not rows:
        return []
    calls = [ModelCall(**row) for row in rows]
    written = _insert(calls, over=UNDER_WAY)
    changes = [Change(columns_of(call)) for call in calls if call.pk in written]
    if len(changes) == len(calls):
        return changes
    # Rare: all this was written before, or another process has taken the run over meanwhile.
    late = [call for call in calls if call.pk not in written]
    held = ModelCall.objects.select_for_update().filter(pk__in=[call.pk for call in late], outcome=LOST)
    before = {call.pk: columns_of(call) for call in held.order_by("pk")}
    corrected = [call for call in late if call.pk in before]
    if corrected:
        _insert(corrected, over=LOST)
    return changes + [Change(columns_of(call), before[call.pk]) for call in corrected]


def _insert(calls: Sequence[ModelCall], *, over: str) -> set[UUID]:
    """Only over rows whose outcome is `over`; the keys of what was written. Raw, because the ORM's upserts neither ask
    what they replace nor tell."""
    values = ", ".join([f"({', '.join(['%s'] * len(_fields()))})"] * len(calls))
    given = [
        field.get_db_prep_save(getattr(call, field.attname), connection)
        for call in calls
        for field in _fields()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO chat_modelcall ({', '.join(_names())}) VALUES {values} ON CONFLICT (id) DO UPDATE SET "  # noqa: S608  (names of columns)
            + ", ".join(f"{name} = EXCLUDED.{name}" for name in _names() if name != "id")
            + " WHERE chat_modelcall.outcome = %s RETURNING id",
            [*given, over],
        )
        return {UUID(str(key)) for (key,) in cursor.fetchall()}


def _add(changes: Sequence[Change]) -> None:
    """Sums are rows that others write as well: one statement, in the order of their keys."""
    added = _deltas(changes)
    if not added:
        return
    names = ["id", *DayKey._fields, *SUMS]
    values = ", ".join([f"({', '.join(['%s'] * len(names))})"] * len(added))
    given: list[Any] = []
    for key in sorted(added):
        row = UsageDay(**key._asdict(), id=new_id(), **dict(zip(SUMS, added[key], strict=True)))
        given += [
            field.get_db_prep_save(getattr(row, field.attname), connection) for field in _day_fields(*names)
        ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO chat_usageday ({', '.join(names)}) VALUES {values} "  # noqa: S608  (names of columns)
            f"ON CONFLICT ({', '.join(DayKey._fields)}) DO UPDATE SET "
            + ", ".join(f"{name} = chat_usageday.{name} + EXCLUDED.{name}" for name in SUMS),
            given,
        )


def _deltas(changes: Iterable[Change]) -> dict[DayKey, list[int]]:
    added: dict[DayKey, list[int]] = defaultdict(lambda: [0] * len(SUMS))
    for change in changes:
        for row, sign in ((change.before, -1), (change.now, 1)):
            if row is not None:
                for place, figure in enumerate(figures_of(row)):
                    added[day_key(row)][place] += sign * figure
    return {key: sums for key, sums in added.items() if any(sums)}


def day_key(row: Columns) -> DayKey:
    return DayKey(
        row["started_at"].astimezone(UTC).date(),
        row["pseudonym"],
        row["provider"],
        row["model"],
        row["purpose"],
        row["currency"],
        row["usage_source"],
    )


def figures_of(row: Columns) -> list[int]:
    """What a row that has ended adds to its sums, in the order of `SUMS`."""
    return [1, *(row[name] or 0 for name in COUNTERS), billionths_of(row["cost"])]


@cache
def _fields() -> "tuple[Field[Any, Any], ...]":
    return tuple(ModelCall._meta.concrete_fields)


@cache
def _names() -> tuple[str, ...]:
    return tuple(str(field.column) for field in _fields())


@cache
def _day_fields(*names: str) -> "tuple[Field[Any, Any], ...]":
    fields = {field.attname: field for field in UsageDay._meta.concrete_fields}
    return tuple(fields[name] for name in names)
