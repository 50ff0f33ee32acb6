"""Another program at the same database: it looks past Django at what is committed, and takes locks."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection


@contextmanager
def another_program() -> Iterator[Any]:
    """Its connection; `execute` works alike on both databases. Nothing is committed unless it says so."""
    names = connection.settings_dict
    if connection.vendor == "sqlite":
        line: Any = sqlite3.connect(names["NAME"], check_same_thread=False, isolation_level=None)
    else:
        line = psycopg.connect(
            dbname=names["NAME"], user=names["USER"], host=names["HOST"], port=names["PORT"], autocommit=True
        )
    try:
        yield line
    finally:
        line.close()


@contextmanager
def locked(*tables: str) -> Iterator[None]:
    """Nobody else can write meanwhile: on PostgreSQL into these tables, which cannot be read either."""
    with another_program() as other:
        if connection.vendor == "sqlite":
            other.execute("BEGIN EXCLUSIVE")
        else:
            other.execute("BEGIN")
            other.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        yield
        other.execute("COMMIT")
