"""The rows that say what is used of quotas: made when they are first needed, and counted by the ledger's rows.

They are rows that many wait for, so whoever writes them does it last in a transaction, in the order of their keys.
One that is not there yet is made by whoever is first; who comes meanwhile waits for it. What the ledger has of the
period goes in with it: that is how a quota made in the middle of a month knows what the month has cost.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import BigIntegerField, F, Func, Q, Sum
from django.db.models.functions import Coalesce

from chat.models import ModelCall, QuotaUse, User
from chat.models.base import new_id
from chat.models.quotas import MONEY
from chat.models.usage import UNDER_WAY, billionths_of
from chat.usage.known_quotas import KNOWN, Limit
from chat.usage.quota_periods import begins, follows, midnight


class UseKey(NamedTuple):
    """Sorts."""

    quota: UUID
    subject: UUID
    kind: str
    starts: Any
    currency: str

    @classmethod
    def of(cls, limit: Limit, moment: datetime) -> "UseKey":
        return cls(limit.quota, limit.subject, limit.kind.value, begins(limit.kind, moment), limit.currency)

    @classmethod
    def of_row(cls, row: QuotaUse) -> "UseKey":
        return cls(row.quota_id, row.subject, row.kind, row.starts, row.currency)


class Uses(NamedTuple):
    keys: dict[UseKey, UUID]
    made: set[UseKey]
    """By this very call: the ledger's rows are in them, also those of the caller's transaction."""


def uses_of(limits: Mapping[UseKey, Limit]) -> Uses:
    """The rows' keys; rows that are missing are made. Within a transaction."""
    found = _found(limits)
    made: set[UseKey] = set()
    for key in sorted(set(limits) - set(found)):
        if (row := _made(key)) is not None:
            found[key] = row
            made.add(key)
            if limits[key].periodical:
                QuotaUse.objects.filter(pk=row).update(used=spent(key, limits[key].group, limits[key].token))
    if len(found) < len(limits):  # somebody else was first with some
        found |= _found(limits)
    return Uses(found, made)


def count(changes: Iterable[tuple[Mapping[str, Any], int]]) -> None:
    """Rows of the ledger, and 1 where they have come to it, -1 where they have gone. In the transaction that writes
    them, as its last."""
    if not KNOWN.any():
        return
    added: dict[UseKey, int] = defaultdict(int)
    limits: dict[UseKey, Limit] = {}
    for row, sign in changes:
        for limit in KNOWN.binding(row["user_id"], row["pseudonym"], row["token"]):
            if limit.periodical:
                key = UseKey.of(limit, row["started_at"])
                limits[key] = limit
                added[key] += sign * _figure(row, limit)
    wanted = {key: limits[key] for key, amount in added.items() if amount}
    if not wanted:
        return
    uses = uses_of(wanted)
    change_uses({uses.keys[key]: {"used": added[key]} for key in wanted if key not in uses.made})


def change_uses(changes: Mapping[UUID, Mapping[str, int]]) -> None:
    """Adds to columns of rows, by their keys and in their order."""
    for row in sorted(changes):
        QuotaUse.objects.filter(pk=row).update(
            **{name: F(name) + amount for name, amount in changes[row].items()}
        )


def spent(key: UseKey, group: int | None, token: UUID | None = None) -> int:
    """What the ledger's rows come to: of a person, of an API token, or of those who are members of the group now."""
    whose = Q(pseudonym=key.subject)
    if group is not None:
        whose = Q(pseudonym__in=User.objects.filter(groups=group).values("pseudonym"))
    elif token is not None:
        whose = Q(token=token)
    rows = ModelCall.objects.filter(
        whose, started_at__gte=midnight(key.starts), started_at__lt=midnight(follows(key.kind, key.starts))
    ).exclude(outcome=UNDER_WAY)
    figure: Any = Coalesce(F("input_tokens"), 0) + Coalesce(F("output_tokens"), 0)
    if key.kind in MONEY:
        rows = rows.filter(currency=key.currency)
        # Whole billionths: SQLite adds decimals as floating point.
        figure = Func(F("cost"), template="CAST(ROUND(COALESCE(%(expressions)s, 0) * 1000000000) AS bigint)")
    total: int | None = rows.aggregate(total=Sum(figure, output_field=BigIntegerField()))["total"]
    return int(total or 0)


def _figure(row: Mapping[str, Any], limit: Limit) -> int:
    if limit.kind in MONEY:
        return billionths_of(row["cost"]) if row["currency"] == limit.currency else 0
    return (row["input_tokens"] or 0) + (row["output_tokens"] or 0)


def _found(keys: Collection[UseKey]) -> dict[UseKey, UUID]:
    rows = QuotaUse.objects.filter(
        quota__in={key.quota for key in keys},
        subject__in={key.subject for key in keys},
        starts__in={key.starts for key in keys},
    )
    found = {
        UseKey(quota, subject, kind, starts, currency): pk
        for pk, quota, subject, kind, starts, currency in rows.values_list(
            "pk", "quota_id", "subject", "kind", "starts", "currency"
        )
    }
    return {key: pk for key, pk in found.items() if key in keys}


def _made(key: UseKey) -> UUID | None:
    """None: somebody else has made it, and has committed. Raw, because the ORM does not tell."""
    row = QuotaUse(
        id=new_id(),
        quota_id=key.quota,
        **{name: getattr(key, name) for name in key._fields if name != "quota"},
    )
    fields = QuotaUse._meta.concrete_fields
    given = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO chat_quotause ({', '.join(str(field.column) for field in fields)}) "  # noqa: S608
            f"VALUES ({', '.join(['%s'] * len(fields))}) "
            "ON CONFLICT (quota_id, subject, kind, starts, currency) DO NOTHING RETURNING id",
            given,
        )
        return row.pk if cursor.fetchall() else None
