"""What several pages of the admin share."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from chat.admin.gate import Gate, gate_for
from chat.admin.lists import LargeList
from chat.audit.facts import LOOK
from chat.models import User


class ReadOnly(LargeList):
    """Rows that only the product itself writes, and so may be very many."""

    actions: Sequence[Any] | None = None

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False


class Gated(ReadOnly):
    """Rows that hold what people wrote. `fields` are figures; `content` comes behind the gate, once it is open."""

    change_form_template = "admin/gated_change_form.html"
    kind: ClassVar[str]
    """What the audit log calls such a row."""
    content: Sequence[str] = ()

    def subject_of(self, row: Any) -> User | None:
        """Whose words they are."""
        user: User = row.user
        return user

    def conversation_of(self, row: Any) -> UUID | None:
        """Which conversation it is a part of."""
        key: UUID = row.conversation_id
        return key

    def gate(self, request: HttpRequest, row: Any, action: str = LOOK) -> Gate:
        return gate_for(
            request,
            kind=self.kind,
            key=row.pk,
            subject=self.subject_of(row),
            within=self.conversation_of(row),
            action=action,
        )

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is None or not self.gate(request, obj).open:
            return self.fields
        return (*(self.fields or ()), *self.content)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["gate"] = self.gate(request, context["original"])
        return super().render_change_form(request, context, *args, **kwargs)
