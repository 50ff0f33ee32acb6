"""Many rows at once: COPY on PostgreSQL, executemany on SQLite, without the checks that single rows pay for."""

import json
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection, models, transaction

AT_ONCE: Final = 20_000


def key_of(seconds: float, chance: random.Random) -> str:
    """A UUIDv7 of that moment, as 32 digits: both databases read it so."""
    variant = 8 | chance.getrandbits(2)
    return f"{int(seconds * 1000):012x}7{chance.getrandbits(12):03x}{variant:x}{chance.getrandbits(60):015x}"


def stamp(seconds: float) -> str:
    """A moment as either database reads it."""
    moment = datetime.fromtimestamp(seconds, UTC)
    text = moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond:06d}"
    return text if connection.vendor == "sqlite" else text + "+00"


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


class Table:
    """Takes rows with the named columns; every other column has its default, also those that come with later versions.

    A named column that the model does not have yet is left out of the rows.
    """

    def __init__(self, model: type[models.Model], *names: str) -> None:
        self.count = 0
        self._waiting: list[tuple[Any, ...]] = []
        meta = model._meta
        fields = {field.attname: field for field in meta.concrete_fields}
        self._kept = [name in fields for name in names]
        rest = {
            name: field.get_db_prep_save(field.get_default(), connection)
            for name, field in fields.items()
            if name not in names and not field.has_db_default() and not field.generated
        }
        self._constants = tuple(rest.values())
        quote = connection.ops.quote_name
        columns = [fields[name].column for name in [*(n for n in names if n in fields), *rest]]
        self._into = f"{quote(meta.db_table)} ({', '.join(quote(column) for column in columns)})"
        self._places = ", ".join(["%s"] * len(columns))
        self._whole = all(self._kept)

    def add(self, *values: Any) -> None:
        if not self._whole:
            values = tuple(value for value, kept in zip(values, self._kept, strict=True) if kept)
        self._waiting.append(values + self._constants)
        self.count += 1
        if len(self._waiting) >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            _insert(self._into, self._places, self._waiting)
            self._waiting = []


def _insert(into: str, places: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.executemany(f"INSERT INTO {into} VALUES ({places})", rows)
            return
        with cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


@contextmanager
def unchecked() -> Iterator[None]:
    """Foreign keys are taken on trust, nothing is waited for, and what is lost in a crash is made again.

    On PostgreSQL this takes a superuser.
    """
    sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        if sqlite:
            cursor.execute("PRAGMA foreign_keys = OFF")
            cursor.execute("PRAGMA synchronous = OFF")
            cursor.execute("PRAGMA cache_size = -1000000")
        else:
            cursor.execute("SET session_replication_role = replica; SET synchronous_commit = off")
            cursor.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
        yield
        if sqlite:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            # As the server itself does a minute later.
            cursor.execute("RESET session_replication_role")
            cursor.execute("VACUUM ANALYZE")
    connection.close()
