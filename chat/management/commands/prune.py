"""`manage.py prune`: one pass of retention, which the running site makes once an hour."""

from typing import Any

from django.core.management.base import BaseCommand

from chat.tasks import prune


class Command(BaseCommand):
    help = (
        "Drops what has expired: sessions, dead processes, used set-up links, old sign-ins, old wire records, "
        "conversations past RETENTION_DAYS, old deliveries of webhooks, progress of webhook tools, "
        "files that nobody has any more, reservations of quotas. "
        "Closes calls in the ledger that nobody took over."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        dropped = prune()
        self.stdout.write(", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in dropped.items()))
