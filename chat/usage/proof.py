"""Proves the daily sums and the rows of the ledger against each other, and each row in itself.

Everything here streams: what is in memory does not grow with the ledger.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.db.models import F, TextField
from django.db.models.functions import Cast

from chat.llm.deltas import Usage
from chat.models import ModelCall, UsageDay
from chat.models.base import new_id
from chat.models.usage import NOBODY, UNDER_WAY, money_of
from chat.usage.ledger import COUNTERS, SUMS, DayKey
from chat.usage.pricing import PriceList, charged

AT_ONCE: Final = 2000

_DAY: Final = {
    "sqlite": "substr(started_at, 1, 10)",  # as Django writes it there, which is always in UTC
    "postgresql": "CAST(started_at AT TIME ZONE 'UTC' AS date)",
}
_KEY: Final = ", ".join(DayKey._fields)


@contextmanager
def one_moment() -> Iterator[None]:
    """All that is read inside is of one moment, and nobody who writes waits for it."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            # Not `atomic`, which takes the lock that writers need.
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(
                "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
            )
            yield


def days_that_differ() -> Iterator[str]:
    """The sums of a day, a person, a model and so on, that are not what the rows come to."""
    zeros = ", ".join("0" for _ in SUMS)
    differs = " OR ".join(f"SUM(rows_{name}) <> SUM(days_{name})" for name in SUMS)
    aliases = ", ".join(f"{figure} AS rows_{name}" for figure, name in zip(_figures(), SUMS, strict=True))
    query = (
        f"SELECT {_KEY}, {', '.join(f'SUM(rows_{name}), SUM(days_{name})' for name in SUMS)} FROM ("  # noqa: S608
        f"SELECT {_key()}, {aliases}, {', '.join(f'0 AS days_{name}' for name in SUMS)} "
        f"FROM chat_modelcall WHERE outcome <> '{UNDER_WAY}' "
        f"UNION ALL SELECT {_KEY}, {zeros}, {', '.join(SUMS)} FROM chat_usageday"
        f") AS both_of_them GROUP BY {_KEY} HAVING {differs}"
    )
    for found in _stream(query):
        key, figures = DayKey(*found[: len(DayKey._fields)]), found[len(DayKey._fields) :]
        parts = [
            f"{_figure(name, days)} {name.replace('_billionths', '').replace('_', ' ')} in the sums, "
            f"{_figure(name, rows)} in the rows"
            for name, rows, days in zip(SUMS, figures[::2], figures[1::2], strict=True)
            if rows != days
        ]
        pseudonym = UUID(str(key.pseudonym))
        who = "nobody known" if pseudonym == NOBODY else pseudonym
        kind = ", ".join(word for word in (key.purpose, key.currency, key.usage_source) if word)
        yield f"day {key.day}, {key.provider}/{key.model}, {who} ({kind}): " + "; ".join(parts)


def people_that_differ() -> Iterator[str]:
    """Rows that name somebody else than their account does."""
    rows = ModelCall.objects.exclude(user=None).exclude(pseudonym=F("user__pseudonym"))
    for key in rows.values_list("pk", flat=True).iterator(chunk_size=AT_ONCE):
        yield f"call {key}: its pseudonym is not that of its account"


def costs_that_differ() -> Iterator[str]:
    """Rows whose cost is not their tokens at their price."""
    # The price as text: it is read once, however many rows have it.
    rows = ModelCall.objects.exclude(outcome=UNDER_WAY).annotate(price_text=Cast("price", TextField()))
    columns = rows.values_list("price_text", "pk", "cost", "currency", *COUNTERS)
    for price, key, cost, currency, *counters in columns.iterator(chunk_size=AT_ONCE):
        expected = charged(Usage(*counters), _price(price))
        if (cost, currency) != expected:
            yield f"call {key}: costs {_money(cost, currency)}, by its price {_money(*expected)}"


def left_open() -> Iterator[str]:
    """Calls under way of runs that have ended."""
    rows = ModelCall.objects.filter(outcome=UNDER_WAY).exclude(run__finished_at=None)
    for key, run in rows.values_list("pk", "run").iterator(chunk_size=AT_ONCE):
        yield f"call {key}: is under way, though its run {run} has ended"


def rebuild_days() -> int:
    """Makes the sums anew from the rows; how many. Whoever writes meanwhile waits."""
    query = (
        f"SELECT {_key()}, {', '.join(f'SUM({figure})' for figure in _figures())} "  # noqa: S608
        f"FROM chat_modelcall WHERE outcome <> '{UNDER_WAY}' GROUP BY 1, 2, 3, 4, 5, 6, 7"
    )
    made = 0
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
                )
                cursor.execute("LOCK TABLE chat_modelcall, chat_usageday IN SHARE ROW EXCLUSIVE MODE")
        UsageDay.objects.all()._raw_delete(UsageDay.objects.db)
        waiting: list[UsageDay] = []
        for found in _stream(query):
            key, sums = found[: len(DayKey._fields)], found[len(DayKey._fields) :]
            named = dict(zip(DayKey._fields, key, strict=True)) | dict(zip(SUMS, map(int, sums), strict=True))
            waiting.append(UsageDay(id=new_id(), **named))
            if len(waiting) >= AT_ONCE:
                made += len(UsageDay.objects.bulk_create(waiting))
                waiting = []
        made += len(UsageDay.objects.bulk_create(waiting))
    return made


def _key() -> str:
    return f"{_DAY[connection.vendor]} AS day, " + ", ".join(DayKey._fields[1:])


def _figures() -> list[str]:
    """What a row adds to its sums, in the order of `SUMS`."""
    cost = "CAST(ROUND(COALESCE(cost, 0) * 1000000000) AS bigint)"
    return ["1", *(f"COALESCE({name}, 0)" for name in COUNTERS), cost]


def _stream(query: str) -> Iterator[tuple[Any, ...]]:
    """On PostgreSQL from a cursor of the server's: the client's would take in all of it."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(query)
        while found := cursor.fetchmany(AT_ONCE):
            yield from found


@lru_cache(maxsize=1000)
def _price(stored: str | None) -> PriceList | None:
    return None if stored is None else msgspec.json.decode(stored, type=PriceList)


def _figure(name: str, value: Any) -> str:
    return f"{money_of(int(value)):f}" if name == "cost_billionths" else str(int(value))


def _money(cost: Decimal | None, currency: str) -> str:
    return "nothing known" if cost is None else f"{cost:f} {currency}"
