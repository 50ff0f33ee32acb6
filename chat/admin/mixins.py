"""What several pages of the admin share."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from chat.admin.lists import LargeList


class ReadOnly(LargeList):
    """Rows that only the product itself writes, and so may be very many."""

    actions: Sequence[Any] | None = None

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False


class Audited(ReadOnly):
    """Rows that hold what people wrote: whoever looks at one is noted, before anything is shown."""

    def note(self, request: HttpRequest, row: Model, what: str) -> None:
        """In the history of the row, and among the recent actions of whoever did it."""
        self.log_change(request, row, what)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        self.note(request, context["original"], "Looked at it.")
        return super().render_change_form(request, context, *args, **kwargs)
