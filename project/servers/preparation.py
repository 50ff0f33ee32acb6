"""What has to be true before the site is served: tables, static files, checks. Quick when nothing has changed."""

import fcntl
import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core import checks
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import ConnectionHandler, DatabaseError, OperationalError

from project.databases import without_time_limits
from project.servers.base import LaunchRefused

Say = Callable[[str], None]

CONNECT_SECONDS = 5
MIGRATION_LOCK = 0x4C656374
"""A number that no other program on this database should use for an advisory lock."""

_held: list[TextIO] = []


def prepare(say: Say) -> None:
    """Brings database and static files up to date. Raises `LaunchRefused`.

    Processes that share a data folder do this one after the other.
    """
    _check()
    with _alone(settings.DATA_DIR / "prepare.lock"):
        _reach_database()
        _migrate(say)
        _collect_static(say)


def hold_data_folder() -> None:
    """For as long as this process lives. Raises `LaunchRefused` where a server has it that does not share.

    Without Redis running answers are kept in memory alone, so a second server on the same data would not see those of
    the first. With Redis any number may be there.
    """
    handle = _opened(settings.DATA_DIR / "serve.lock")
    share = fcntl.LOCK_SH if settings.REDIS_URL else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, share | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise LaunchRefused(
            f"Another server runs on DATA_DIR {settings.DATA_DIR}. Stop it, or give this one a folder of its own. "
            "(With REDIS_URL in both they could share it.)"
        ) from None
    # Kept open: the lock goes with the file.
    _held.append(handle)


def _check() -> None:
    errors = [message for message in checks.run_checks() if message.is_serious()]
    if errors:
        raise LaunchRefused(" ".join(f"{error.msg} ({error.id})" for error in errors))


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with _opened(lock) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _opened(lock: Path) -> TextIO:
    try:
        return lock.open("w")
    except OSError as error:
        raise LaunchRefused(f"Cannot write to DATA_DIR {lock.parent}: {error.strerror}.") from None


def _reach_database() -> None:
    """Asks once, on a connection of its own: a pool would ask for half a minute, and write a log of it."""
    plain = {**connections.settings[DEFAULT_DB_ALIAS]}
    plain["OPTIONS"] = {name: value for name, value in plain["OPTIONS"].items() if name != "pool"}
    if plain["ENGINE"].endswith("postgresql"):
        plain["OPTIONS"].setdefault("connect_timeout", CONNECT_SECONDS)
    connection = ConnectionHandler({DEFAULT_DB_ALIAS: plain})[DEFAULT_DB_ALIAS]
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        raise LaunchRefused(f"The database cannot be used: {_first_line(error)}") from None
    finally:
        connection.close()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _migrate(say: Say) -> None:
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        with _alone_in_database(connection):
            executor = MigrationExecutor(connection)
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
            if plan:
                say(f"Bringing the database up to date ({len(plan)} migrations) …")
                call_command("migrate", interactive=False, verbosity=0)
    except OperationalError as error:
        raise LaunchRefused(f"The database cannot be migrated: {_first_line(error)}") from None
    finally:
        connection.close()


@contextmanager
def _alone_in_database(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Machines that share a PostgreSQL migrate it one after the other, each waiting as long as it takes."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor, without_time_limits(cursor):
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def _collect_static(say: Say) -> None:
    if settings.DEBUG or not settings.STATIC_ROOT:
        return
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    wanted = _static_fingerprint()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say("Collecting static files …")
    for folder in settings.STATICFILES_DIRS:
        Path(folder).mkdir(exist_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0, clear=True, stdout=StringIO())
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)


def _static_fingerprint() -> str:
    """Changes when a static file of any app came, went or was written, and with the Python that compresses them."""
    digest = hashlib.sha256(sys.version.encode())
    for finder in get_finders():
        for name, storage in finder.list(None):
            stat = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
