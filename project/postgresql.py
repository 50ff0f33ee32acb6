"""PostgreSQL's connections, given up where no answer comes in time. Imported only where PostgreSQL is configured."""

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from chat.engine.patience import seconds_of_patience

INTERVAL_SECONDS = 0.1
"""How often psycopg looks for signals meanwhile; its own default."""
T = TypeVar("T")


class ImpatientConnection(psycopg.Connection[Any]):
    def wait(self, gen: PQGen[T], interval: float = INTERVAL_SECONDS, timeout: float | None = None) -> T:
        """As psycopg's, for as long as whoever asks has patience.

        Raises:
            OperationalError: no answer came; the connection is closed, since one may still come.
        """
        seconds = seconds_of_patience() if timeout is None else timeout
        try:
            return super().wait(gen, interval, seconds)
        except psycopg.OperationalError as error:
            if timeout is None and _ran_out(error):
                self.pgconn.finish()
                raise psycopg.OperationalError(f"no answer from the database within {seconds:g} s") from None
            raise


def _ran_out(error: psycopg.OperationalError) -> bool:
    # psycopg has no public name for it.
    return type(error).__name__ == "_WaitTimeout"
