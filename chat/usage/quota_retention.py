"""Dropping what nobody will ask quotas for any more."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Exists, OuterRef

from chat.models import QuotaUse, Reservation, Run
from chat.models.quotas import ALWAYS

REMEMBER_USES: Final = timedelta(days=400)


def prune_quotas(now: datetime) -> dict[str, int]:
    """Ended reservations of runs that are gone, and what was used in periods of more than a year ago."""
    ended = Reservation.objects.exclude(state=Reservation.State.HELD)
    reservations, _ = ended.filter(~Exists(Run.objects.filter(pk=OuterRef("run")))).delete()
    old = QuotaUse.objects.filter(starts__lt=(now - REMEMBER_USES).date()).exclude(starts=ALWAYS)
    uses, _ = old.delete()
    return {"reservations": reservations, "quota_uses": uses}
