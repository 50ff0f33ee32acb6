"""Messages a minute and runs at once: counted in the database, under the lock of the quota's row.

The start has its transaction anyway, and what is counted in it holds for all processes, with and without Redis; a
refusal takes it back with everything else. Runs are counted by their own rows, so that nothing can be counted for ever;
messages by their times, so that who deletes a conversation has still sent what was in it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from chat.models import QuotaUse, Run
from chat.models.quotas import Kind
from chat.usage.known_quotas import Limit
from chat.usage.refusals import too_many_messages, too_many_runs

WINDOW_SECONDS: Final = 60.0


def admit(rows: Mapping[Limit, QuotaUse], *, now: datetime) -> None:
    """One message, whose runs stand in the database already. `rows` are locked.

    Raises:
        QuotaExceeded
    """
    for limit, row in rows.items():
        if limit.kind == Kind.RUNS:
            if _runs(limit) > limit.amount:
                raise too_many_runs(limit)
        elif limit.kind == Kind.MESSAGES:
            _take_message(limit, row, now.timestamp())


def _runs(limit: Limit) -> int:
    """Those that wait for somebody do not count: nobody works at them."""
    runs = Run.objects.open().exclude(status=Run.Status.WAITING)
    if limit.group is not None:
        return runs.filter(user__groups=limit.group).count()
    if limit.token is not None:
        return runs.filter(token=limit.token).count()
    return runs.filter(user=limit.user).count()


def _take_message(limit: Limit, row: QuotaUse, now: float) -> None:
    # From the future: a clock was set back. They would never pass.
    recent = [at for at in row.recent if now - WINDOW_SECONDS < at <= now + 1]
    if len(recent) >= limit.amount:
        wait = recent[-limit.amount] + WINDOW_SECONDS - now if limit.amount else None
        raise too_many_messages(limit, wait)
    QuotaUse.objects.filter(pk=row.pk).update(recent=[*recent, now])
