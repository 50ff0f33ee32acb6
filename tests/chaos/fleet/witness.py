"""Who wrote what, as PostgreSQL itself saw it: triggers note every accepted write of a run and of its text."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

TRIGGERS = """
CREATE TABLE witness (
    id bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), transaction bigint DEFAULT txid_current(),
    who text DEFAULT current_setting('application_name'), what text, run uuid,
    old_epoch int, new_epoch int, ended_before bool, ended_after bool
);
CREATE FUNCTION witness_start() RETURNS trigger AS $$ BEGIN
    INSERT INTO witness (what, run, new_epoch) VALUES ('start', NEW.id, NEW.epoch);
    RETURN NULL;
END $$ LANGUAGE plpgsql;
CREATE FUNCTION witness_run() RETURNS trigger AS $$ BEGIN
    INSERT INTO witness (what, run, old_epoch, new_epoch, ended_before, ended_after)
    VALUES ('run', NEW.id, OLD.epoch, NEW.epoch, OLD.finished_at IS NOT NULL, NEW.finished_at IS NOT NULL);
    RETURN NULL;
END $$ LANGUAGE plpgsql;
CREATE FUNCTION witness_text() RETURNS trigger AS $$ BEGIN
    INSERT INTO witness (what, run) SELECT 'text', id FROM chat_run WHERE message_id = NEW.id;
    RETURN NULL;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER witness_start AFTER INSERT ON chat_run FOR EACH ROW EXECUTE FUNCTION witness_start();
CREATE TRIGGER witness_run AFTER UPDATE ON chat_run FOR EACH ROW EXECUTE FUNCTION witness_run();
CREATE TRIGGER witness_text AFTER UPDATE ON chat_message FOR EACH ROW EXECUTE FUNCTION witness_text();
"""


class Written(NamedTuple):
    """One accepted write. `what`: `start`, `run` or `text`; a text has no epochs and no ends."""

    at: datetime | None
    transaction: int
    who: str
    what: str
    run: str
    old_epoch: int | None = None
    new_epoch: int | None = None
    ended_before: bool | None = None
    ended_after: bool | None = None


def watch(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as line:
        line.execute(TRIGGERS)


def written(url: str) -> list[Written]:
    with psycopg.connect(url, autocommit=True) as line:
        rows = line.execute(
            "SELECT at, transaction, who, what, run::text, old_epoch, new_epoch, ended_before, ended_after "
            "FROM witness ORDER BY id"
        ).fetchall()
    return [Written(*row) for row in rows]


def complaints(rows: Iterable[Written]) -> list[str]:
    """Whatever somebody wrote who was not, or no longer, the run's owner, and what came after its end."""
    owners: dict[str, str] = {}
    epochs: dict[str, int] = {}
    ends: dict[str, int] = {}
    """The transaction that ended a run."""
    found: list[str] = []
    for row in rows:
        if row.what == "start":
            owners[row.run], epochs[row.run] = row.who, row.new_epoch or 0
            continue
        if row.run in ends and row.transaction != ends[row.run]:
            found.append(f"{row.what} of {row.run} written after its end, by {row.who}")
        elif row.what == "run" and row.new_epoch != row.old_epoch:
            if row.new_epoch != epochs.get(row.run, 0) + 1:
                found.append(f"epoch of {row.run} went from {row.old_epoch} to {row.new_epoch}")
            owners[row.run], epochs[row.run] = row.who, row.new_epoch or 0
        elif row.who != owners.get(row.run):
            found.append(f"{row.what} of {row.run} written by {row.who}, owned by {owners.get(row.run)}")
        if row.what == "run" and row.ended_after and not row.ended_before:
            ends[row.run] = row.transaction
    return found


def ends_of(rows: Iterable[Written]) -> dict[str, int]:
    """How often each run ended."""
    ends: dict[str, int] = {}
    for row in rows:
        if row.what == "start":
            ends.setdefault(row.run, 0)
        elif row.what == "run" and row.ended_after and not row.ended_before:
            ends[row.run] = ends.get(row.run, 0) + 1
    return ends


def as_told(rows: Iterable[tuple[Any, ...]]) -> list[Written]:
    """For tests: rows without their times."""
    return [Written(None, *row) for row in rows]
