"""Which days a report is asked for, and what of it there may be at once."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Final

from msgspec import Struct

from chat.exceptions import InvalidRequest
from chat.usage.reports import UsageRow, columns_of_groups

USUAL_DAYS: Final = 30
MOST_ROWS: Final = 10_000


class Period(Struct, frozen=True):
    """Days in UTC, both included."""

    since: date
    until: date

    @classmethod
    def asked(cls, since: date | None, until: date | None, *, today: date) -> "Period":
        """Thirty days up to the last one, where less is said.

        Raises:
            InvalidRequest: it ends before it begins.
        """
        until = until or max(today, since or today)
        since = since or until - timedelta(days=USUAL_DAYS - 1)
        if since > until:
            raise InvalidRequest("The period ends before it begins.", field="until")
        return cls(since, until)


def today() -> date:
    return datetime.now(UTC).date()


def read_groups(text: str) -> list[str]:
    """`day,model` and the like.

    Raises:
        InvalidRequest: there is no such group.
    """
    groups = [name.strip() for name in text.split(",") if name.strip()]
    columns_of_groups(groups)
    return list(dict.fromkeys(groups))


def not_too_many(rows: Iterable[UsageRow]) -> Sequence[UsageRow]:
    """
    Raises:
        InvalidRequest: more than are told at once.
    """
    found = list(islice(rows, MOST_ROWS + 1))
    if len(found) > MOST_ROWS:
        raise InvalidRequest(
            f"That would be more than {MOST_ROWS:,} rows. Ask for a shorter period, or group by less.",
            field="group_by",
        )
    return found
