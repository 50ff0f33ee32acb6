"""Pages of a table that is too large to be counted."""

from typing import Any, Final

from django.core.paginator import Page, Paginator
from django.db import connections
from django.db.models import QuerySet
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

MOST_COUNTED: Final = 10_000
"""Rows that are counted one by one; of more it is only said that there are more, or what the database estimates."""
MOST_PAGES: Final = 1_000
"""Whoever wants to look further back chooses a month or a filter: the way there is otherwise walked row by row."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """A page is two questions: for its keys, which an index answers, and for those rows, whatever belongs to them."""

    object_list: "QuerySet[Any]"
    is_estimate = False
    """`count` is what the database believes, or the least it can be."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list.order_by()
        # The keys alone: whatever else is asked of each row costs nothing then.
        counted: int = rows.values("pk")[: MOST_COUNTED + 1].count()
        if counted <= MOST_COUNTED:
            return counted
        self.is_estimate = True
        return max(counted, 0 if rows.query.where else estimate(rows))

    @cached_property
    def num_pages(self) -> int:
        return min(super().num_pages, MOST_PAGES)

    @property
    def note(self) -> str:
        """What whoever reads the number has to know; "" where it is exact."""
        if not self.is_estimate:
            return ""
        if self.count > MOST_COUNTED + 1:
            return _(
                "The number is the database's own estimate. To look further back, choose a date or a filter."
            )
        return _("There are more: they are counted up to %(most)s.") % {"most": f"{MOST_COUNTED:,}"}

    def page(self, number: Any) -> "Page[Any]":
        number = self.validate_number(number)
        bottom = (number - 1) * self.per_page
        keys = list(self.object_list.values_list("pk", flat=True)[bottom : bottom + self.per_page])
        page = self.object_list.all()
        # The keys say it all, and a database that is told more may choose the worse of two ways.
        page.query.clear_where()
        return Page(page.filter(pk__in=keys), number, self)


def estimate(rows: "QuerySet[Any]") -> int:
    """How many rows the table has, without counting them."""
    connection = connections[rows.db]
    table = rows.model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # As of the last VACUUM or ANALYZE, which the server makes by itself; -1 before the first one.
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [f'"{table}"'])
        else:
            # Deleted rows leave gaps in the numbers, so it is the most there can be.
            cursor.execute(f"SELECT max(rowid) FROM {connection.ops.quote_name(table)}")  # noqa: S608  (our own table)
        return int(cursor.fetchone()[0] or 0)
