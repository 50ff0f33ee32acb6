"""`manage.py rebuild_quotas`: what is used of quotas, counted anew from the ledger's rows."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from chat.usage.quota_rebuild import rebuild
from chat.usage.reservations import release_stale


class Command(BaseCommand):
    help = (
        "Gives back what was set aside for runs that nobody makes, then counts what is used of quotas in the current "
        "day and month anew from the ledger's rows. Safe while the site runs."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        now = timezone.now()
        given_back = release_stale(now=now)
        rows, wrong = rebuild(now=now)
        self.stdout.write(
            f"{rows} figures counted anew, {wrong} of them were wrong; {given_back} reservations given back."
        )
