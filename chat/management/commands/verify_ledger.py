"""`manage.py verify_ledger`: do messages, runs, people and days add up to the ledger's rows?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat.engine.run_proof import runs_that_differ
from chat.models import ModelCall, Run, UsageDay
from chat.usage import proof


class Command(BaseCommand):
    help = (
        "Proves that runs, people and days add up to the ledger's rows, and that each row costs its tokens at its "
        "price. Names each difference; the exit code is 1 where there is one. Safe while the site runs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rebuild-days",
            action="store_true",
            help="first make the daily sums anew from the rows; what is written meanwhile waits for it",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["rebuild_days"]:
            self.stdout.write(f"Made {proof.rebuild_days()} daily sums anew.")
        differences = 0
        with proof.one_moment():
            checks = (
                proof.days_that_differ(),
                proof.people_that_differ(),
                proof.costs_that_differ(),
                proof.left_open(),
                runs_that_differ(),
            )
            for check in checks:
                for difference in check:
                    differences += 1
                    self.stdout.write(difference)
            tables = (("calls", ModelCall), ("runs", Run), ("daily sums", UsageDay))
            counts = ", ".join(f"{table._default_manager.count()} {name}" for name, table in tables)
        if differences:
            raise CommandError(f"{differences} differences in {counts}.")
        self.stdout.write(self.style.SUCCESS(f"The ledger adds up: {counts}."))
