"""A year of a company of 200 people, for measurements: 10⁵ conversations, 10⁶ messages, 10⁶ model calls, in minutes.

    python manage.py migrate
    python -m bench.rows [--conversations 100000] [--users 200] [--days 365] [--seed 7]

Into the database of DATABASE_URL or DATA_DIR, which must have no conversations yet; a PostgreSQL has to be your own, as
it takes a superuser. `--postgres PORT` starts one that goes when the program is interrupted, and says its URL.
The same seed gives the same figures, though under other keys for the small tables.
"""

import argparse
import os
import random
import signal
import sys
import time
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import django

DAY = 86_400.0


class Year:
    """One conversation after the other, in the order of time, each with all that hangs on it."""

    def __init__(self, people: Any, *, days: int, chance: random.Random) -> None:
        from bench.rows_tables import Tables

        self.people = people
        self.tables = Tables(chance)
        self.chance = chance
        self.ends = datetime.now(UTC).timestamp()
        self.begins = self.ends - days * DAY
        # A few talk all day, most now and then.
        self.weights = list(accumulate(1 / (rank + 5) for rank in range(len(people.users))))

    def write(self, conversations: int) -> None:
        for number in range(conversations):
            # A little more each day, and pauses at night.
            share = (number / conversations) ** 0.85
            self._conversation(self.begins + share * (self.ends - self.begins - DAY))
            if number % 5000 == 4999:
                print(f"{number + 1} conversations", file=sys.stderr, flush=True)
        self.tables.flush()

    def _conversation(self, began: float) -> None:
        chance = self.chance
        user = chance.choices(self.people.users, cum_weights=self.weights)[0]
        tables, now, parent = self.tables, began, None
        conversation = tables.new_key(now)
        for _ in range(1 + min(int(chance.expovariate(1 / 4.6)), 60)):
            question = tables.message(now, conversation, parent, "user", "")
            model = chance.choices(self.people.models, self.people.model_weights)[0]
            parent = tables.message(now + 0.001, conversation, question, "assistant", model.name)
            now = tables.run(now + 0.002, user, conversation, parent, model)
            now += chance.expovariate(1 / 90)
        tables.conversation(conversation, user, began, min(now, self.ends))


def fill(conversations: int, users: int, days: int, seed: int) -> dict[str, int]:
    """How many rows each table has got."""
    from bench.bulk import unchecked
    from bench.rows_people import People
    from chat.models import Conversation
    from chat.usage.proof import rebuild_days

    if Conversation.objects.exists():
        raise SystemExit("There are conversations in this database; take an empty one.")
    chance = random.Random(seed)
    with unchecked():
        year = Year(People.make(users, chance), days=days, chance=chance)
        year.write(conversations)
        rebuild_days()
    return year.tables.counts()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--postgres", type=int, metavar="PORT", help="start a server and wait")
    options = parser.parse_args()
    if options.postgres is not None:
        serve(options.postgres)
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    began = time.monotonic()
    counts = fill(options.conversations, options.users, options.days, options.seed)
    print(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    print(f"{time.monotonic() - began:.0f} s")


def serve(port: int) -> None:
    """A PostgreSQL with the settings of a small server, for as long as nobody interrupts."""
    from tests.postgres import postgres

    ended = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ended)
    with postgres(range(port, port + 1)) as server:
        print(f"DATABASE_URL={server.make('rows')}", flush=True)
        signal.sigwait(ended)


if __name__ == "__main__":
    main()
