"""How long the ledger takes on the rows of `bench.rows`: reports, the proof, and writing one more call.

    python -m bench.ledger [--rounds 9]

Into and from the database of DATABASE_URL or DATA_DIR. What is written is rolled back.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import django


def report_rows(rounds: int) -> None:
    from chat.models import UsageDay
    from chat.usage.reports import usage

    today = datetime.now(UTC).date()
    busiest = UsageDay.objects.order_by("-calls")[0].pseudonym
    month = {"since": today - timedelta(days=29)}
    asked: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
        ("a year by day", ("day",), {}),
        ("a year by model", ("model",), {}),
        ("a year by person", ("user",), {}),
        ("a year by provider", ("provider",), {}),
        ("a year by day and model", ("day", "model"), {}),
        ("a month by day", ("day",), month),
        ("a month by person", ("user",), month),
        ("a month by day, person and model", ("day", "user", "model"), month),
        ("one person's year by day", ("day",), {"pseudonym": busiest}),
    ]
    for name, groups, more in asked:
        show(name, rounds, lambda g=groups, m=more: sum(1 for _ in usage(g, **m)))  # type: ignore[misc]


def show(name: str, rounds: int, act: Callable[[], object]) -> None:
    act()
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        took.append((time.perf_counter() - began) * 1000)
    print(f"| {name} | {min(took):.2f} | {statistics.median(took):.2f} | {max(took):.2f} |", flush=True)


def write_rows(rounds: int) -> None:
    """One call at the end of a run: the row alone, as it was written before there were sums, and as it is now."""
    from django.db import transaction

    from chat.models import ModelCall
    from chat.models.base import new_id
    from chat.usage.ledger import columns_of, write_calls

    like = columns_of(ModelCall.objects.filter(outcome="completed").latest("started_at"))
    columns = [field.attname for field in ModelCall._meta.concrete_fields if not field.primary_key]

    def row() -> dict[str, Any]:
        return {
            **like,
            "id": new_id(),
            "run_id": None,
            "started_at": datetime.now(UTC),
            "cost": Decimal("0.001"),
        }

    def alone() -> None:
        ModelCall.objects.bulk_create(
            [ModelCall(**row())], update_conflicts=True, unique_fields=["id"], update_fields=columns
        )

    with transaction.atomic():
        show("a row alone", rounds * 20, alone)
        show("`write_calls`", rounds * 20, lambda: write_calls([row()]))
        transaction.set_rollback(True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    from django.db import connection

    print(f"{connection.vendor}, ms: best, median, slowest")
    report_rows(rounds)
    write_rows(rounds)
    began = time.monotonic()
    proved = subprocess.run(
        # Its most memory in kilobytes, as the kernel has it, comes last.
        [sys.executable, "-c", PROVE],
        capture_output=True,
        text=True,
        check=False,
    )
    print(proved.stdout[-400:], proved.stderr[-400:], f"{time.monotonic() - began:.0f} s")


PROVE = """
import resource, sys
from django.core.management import execute_from_command_line
sys.argv = ["manage.py", "verify_ledger"]
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
try:
    execute_from_command_line(sys.argv)
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "MB")
"""

if __name__ == "__main__":
    main()
