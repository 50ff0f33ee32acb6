"""`manage.py rescue_runs`: one pass of the reaper, by hand."""

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from chat.engine.neighbours import birth_of
from chat.engine.rescue import bury_neighbours, free_orphans


class Command(BaseCommand):
    help = "Frees the running answers of processes that are gone. A web process takes them up within a second or two."

    def handle(self, *_: Any, **__: Any) -> None:
        gone = bury_neighbours(birth_of(os.getpid()))
        freed = free_orphans(settings.LEASE_SECONDS)
        self.stdout.write(f"{gone} processes found gone, {freed} runs freed")
