"""Many processes that write at once, as web processes do: starts, partial texts, ends, stops, renamings, deletions.

`python -m tests.chaos.writers --processes 6 --transactions 10000` on a database of its own under DATA_DIR or
DATABASE_URL. Nobody may be told that the database is locked, and on PostgreSQL nobody may meet a deadlock.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

CONVERSATIONS = 6
"""So few that everybody meets everybody."""
USER = "writer"


@dataclass
class Tally:
    """How long each transaction took, and what went wrong in how many."""

    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, other: "dict[str, Any]") -> None:
        self.seconds += other["seconds"]
        self.failures.update(other["failures"])

    def percentile(self, share: float) -> float:
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(len(self.seconds) * share))]


def together(
    processes: int, transactions: int, environment: dict[str, str], *, by_default: bool = False
) -> Tally:
    """Runs that many transactions in that many processes. `by_default`: SQLite as Django opens it by itself."""
    each = max(1, transactions // processes)
    words = [sys.executable, "-m", "tests.chaos.writers", "--alone", "--transactions", str(each)]
    words += ["--by-default"] if by_default else []
    started = [
        subprocess.Popen([*words, "--seed", str(seed)], env=environment, stdout=subprocess.PIPE, text=True)
        for seed in range(processes)
    ]
    tally = Tally()
    for process in started:
        out, _ = process.communicate()
        if process.returncode:
            tally.failures[f"a process ended with {process.returncode}"] += 1
        else:
            tally.add(json.loads(out.splitlines()[-1]))
    return tally


def prepare() -> None:
    """The user, the model and the conversations that all of them share."""
    from chat.models import Conversation, LanguageModel, Provider, User

    user, _ = User.objects.get_or_create(username=USER)
    provider, _ = Provider.objects.get_or_create(name="writers", defaults={"base_url": "demo:"})
    LanguageModel.objects.get_or_create(provider=provider, name="none")
    for _ in range(CONVERSATIONS - Conversation.objects.count()):
        Conversation.objects.create(owner=user)


def alone(transactions: int, seed: int) -> Tally:
    from django.db import Error

    from chat.exceptions import ChatError, StaleEpoch, StorageUnavailable

    writer, tally = _writer(seed), Tally()
    for _ in range(transactions):
        began = time.perf_counter()
        try:
            writer.write_something()
        except StorageUnavailable as error:
            tally.failures[error.detail] += 1
        except (ChatError, StaleEpoch):
            pass  # somebody else has deleted or ended it
        except Error as error:
            tally.failures[repr(error)[:200]] += 1
        tally.seconds.append(time.perf_counter() - began)
    return tally


def _as_django_does() -> None:
    """Without what project/databases.py and chat/engine/sqlite.py do."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from django.conf import settings
    from django.db.backends.signals import connection_created

    settings.DATABASES["default"]["OPTIONS"] = {}
    connection_created.connect = lambda *_, **__: None  # type: ignore[method-assign]


def _writer(seed: int) -> Any:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    from chat.models import User
    from tests.chaos.writing import Writer

    user = User.objects.get(username=USER)
    return Writer(user, random.Random(seed))  # noqa: S311


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, default=6)
    parser.add_argument("--transactions", type=int, default=10_000)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--by-default", action="store_true", help="SQLite as Django opens it by itself")
    given = parser.parse_args()
    if given.alone:
        if given.by_default:
            _as_django_does()
        tally = alone(given.transactions, given.seed)
        print(json.dumps({"seconds": tally.seconds, "failures": tally.failures}))  # noqa: T201
        return
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    prepare()
    connections.close_all()
    began = time.perf_counter()
    tally = together(given.processes, given.transactions, dict(os.environ))
    seconds = time.perf_counter() - began
    print(  # noqa: T201
        f"{len(tally.seconds)} transactions in {seconds:.1f} s by {given.processes} processes: "
        f"p50 {tally.percentile(0.5) * 1000:.1f} ms, p99 {tally.percentile(0.99) * 1000:.1f} ms, "
        f"slowest {max(tally.seconds) * 1000:.0f} ms; failures: {dict(tally.failures) or 'none'}"
    )
    sys.exit(bool(tally.failures))


if __name__ == "__main__":
    main()
