"""Lists over REST: `{items, next}`, the newest first, a page at a time.

Keys sort by time, so that the last key of a page is where the next one goes on: whatever comes or goes meanwhile,
nothing is told twice or left out.
"""

from typing import Annotated, Final, Generic, TypedDict, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from ninja import Query

from chat.models.base import Row

MOST: Final = 100
USUAL: Final = 50

R = TypeVar("R", bound=Row)

Cursor = Annotated[UUID | None, Query(description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MOST)]


class Page(TypedDict, Generic[R]):
    """`next`: null on the last page."""

    items: list[R]
    next: UUID | None


def page_of(rows: QuerySet[R], cursor: UUID | None, limit: int) -> Page[R]:
    """What the caller may see of `rows` is the caller's business, as are its columns."""
    if cursor is not None:
        rows = rows.filter(pk__lt=cursor)
    items = list(rows.order_by("-pk")[: limit + 1])
    return {"items": items[:limit], "next": items[limit - 1].pk if len(items) > limit else None}
