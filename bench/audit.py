"""What the audit log costs: an append, verifying a million entries, the pages that show them. On SQLite and PostgreSQL.

python -m bench.audit [--entries 1000000] [--database sqlite|postgresql]
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial

BATCH = 1_000
APPENDS = 300
PAGES = {
    "the list": "/admin/chat/auditentry/",
    "of one action": "/admin/chat/auditentry/?action=download",
    "of one day": "/admin/chat/auditentry/?at__year=2026&at__month=3&at__day=1",
    "of one person": "/admin/chat/auditentry/?q=person7x",
    "who has looked at mine": "/settings/looks/",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.here:
        measure(chosen.entries)
        return
    for kind in [chosen.database] if chosen.database else ["sqlite", "postgresql"]:
        print(f"\n{kind}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            run(kind, folder, chosen.entries)


def run(kind: str, folder: str, entries: int) -> None:
    from tests.postgres import postgres

    command = [sys.executable, "-m", "bench.audit", "--here", "--entries", str(entries)]
    if kind == "sqlite":
        environment = {**os.environ, "DATA_DIR": folder, "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3"}
        subprocess.run(command, env=environment, check=True)
        return
    with postgres() as server:
        environment = {**os.environ, "DATA_DIR": folder, "DATABASE_URL": server.at("postgres")}
        subprocess.run(command, env=environment, check=True)


def measure(entries: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.ALLOWED_HOSTS = ["*"]
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    call_command("migrate", verbosity=0)
    people = make_people()
    report("fill, in thousands", seconds(lambda: fill(entries, people)), entries)
    report("one append, committed (p50)", appended(people), 1)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    working = time.process_time()
    report("verify_audit", seconds(lambda: call_command("verify_audit")), entries)
    print(f"  of it this process's own CPU: {time.process_time() - working:.1f} s", flush=True)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"  peak memory while verifying: +{(after - before) / 1024:.0f} MB", flush=True)
    pages(people[7])


def make_people() -> list:
    from chat.models import User

    rows = [User(username=f"person{n}x", is_staff=True, is_superuser=True) for n in range(1_000)]
    return User.objects.bulk_create(rows)


def fill(entries: int, people: list) -> None:
    from chat.audit.facts import Fact
    from chat.wiring.audit import record

    for start in range(0, entries, BATCH):
        record(
            *(
                Fact(
                    action="download" if n % 10 == 0 else "look",
                    kind=("run", "conversation", "wire_record")[n % 3],
                    key=str(uuid.uuid4()),
                    actor=people[n % 20].pseudonym,
                    subject=people[n % 1_000].pseudonym,
                    reason=f"ticket {n % 5_000}, wrong figure in the answer",
                    details={"page": str(n % 9)},
                )
                for n in range(start, min(start + BATCH, entries))
            )
        )


def appended(people: list) -> float:
    from chat.audit.facts import Fact
    from chat.wiring.audit import record

    fact = Fact(action="look", kind="run", key="1", actor=people[0].pseudonym, reason="ticket")
    return statistics.median(seconds(lambda: record(fact, durable=True)) for _ in range(APPENDS))


def pages(person: object) -> None:
    from django.test import Client

    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")  # type: ignore[arg-type]
    for name, address in PAGES.items():
        times = [seconds(partial(shown, client, address)) for _ in range(7)]
        print(
            f"  {name}: {statistics.median(times) * 1000:.0f} ms (slowest {max(times) * 1000:.0f})",
            flush=True,
        )


def shown(client, address: str) -> None:
    if client.get(address).status_code != 200:
        sys.exit(f"{address} does not open")


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def report(name: str, took: float, many: int) -> None:
    text = f"{took:.1f} s, {took / many * 1e6:.1f} µs each" if many > 1 else f"{took * 1000:.2f} ms"
    print(f"  {name}: {text}", flush=True)


if __name__ == "__main__":
    main()
