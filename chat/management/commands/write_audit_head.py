"""`manage.py write_audit_head`: writes the head of the audit log out now, and those of days that were missed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat.audit.walk import Broken
from chat.wiring.audit_heads import write_heads


class Command(BaseCommand):
    help = "Writes the head of the audit log out, as of now, to AUDIT_HEADS_FILE and AUDIT_HEADS_URL."

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            done = write_heads(of_now=True)
        except Broken as broken:
            raise CommandError(str(broken)) from None
        self.stdout.write(", ".join(f"{what}: {count}" for what, count in done.items()))
