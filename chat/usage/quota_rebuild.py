"""Counting quotas anew: used by the ledger's rows, set aside by the reservations that are held."""

from collections import Counter
from datetime import datetime
from uuid import UUID

from django.db import transaction

from chat.models import Quota, QuotaUse, Reservation
from chat.usage.quota_periods import PERIODICAL, begins
from chat.usage.quota_uses import UseKey, spent


def rebuild(*, now: datetime) -> tuple[int, int]:
    """Of the current periods; how many rows there are, and how many were wrong. One row at a time, under its lock:
    safe while the site runs. Rows that are missing are made by whoever needs them."""
    rows = [
        key
        for kind in PERIODICAL
        for key in QuotaUse.objects.filter(kind=kind, starts=begins(kind, now)).values_list("pk", flat=True)
    ]
    return len(rows), sum(_recount(key) for key in rows)


@transaction.atomic
def _recount(key: UUID) -> bool:
    row = QuotaUse.objects.select_for_update(of=("self",)).select_related("quota").filter(pk=key).first()
    if row is None:  # its quota was deleted meanwhile
        return False
    group = row.quota.group_id if row.quota.binds == Quota.Binds.GROUP else None
    token = row.quota.token_id if row.quota.binds == Quota.Binds.TOKEN else None
    used = spent(UseKey.of_row(row), group, token)
    reserved = _held()[str(key)]
    if (used, reserved) == (row.used, row.reserved):
        return False
    QuotaUse.objects.filter(pk=key).update(used=used, reserved=reserved)
    return True


def _held() -> Counter[str]:
    held: Counter[str] = Counter()
    for holds in Reservation.objects.filter(state=Reservation.State.HELD).values_list("holds", flat=True):
        for key, amount in holds:
            held[key] += amount
    return held
