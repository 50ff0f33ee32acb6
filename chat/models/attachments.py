"""Files that belong to somebody. The row is who, what and whence; the bytes lie in a storage under their SHA-256."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from chat.models.base import Row
from chat.models.tools import UNDER_WAY, ToolInvocation

if TYPE_CHECKING:
    from chat.models.users import User

_RECORDED = Q(invocation=None) | Q(
    invocation__status=ToolInvocation.Status.SUCCEEDED, epoch=F("invocation__epoch")
)


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def visible_to(self, user: "User") -> "AttachmentQuerySet":
        return self.filter(user=user).recorded()

    def recorded(self) -> "AttachmentQuerySet":
        """Without those of attempts that brought no result: of a worker that died, of a tool that was stopped."""
        return self.filter(_RECORDED)

    def of_results(self, invocations: Collection[UUID]) -> "dict[UUID, list[Attachment]]":
        """By invocation, in the order in which the tool has made them."""
        found: dict[UUID, list[Attachment]] = {}
        if invocations:
            for row in self.recorded().filter(invocation__in=invocations).order_by("pk"):
                found.setdefault(row.invocation_id, []).append(row)  # type: ignore[arg-type]  # it has one
        return found

    def left_over(self, before: datetime) -> "AttachmentQuerySet":
        """Of attempts that are over and brought no result."""
        over = Q(epoch__lt=F("invocation__epoch")) | ~Q(invocation__status__in=UNDER_WAY)
        made_by_tools = self.filter(over, invocation__isnull=False, created_at__lt=before)
        return made_by_tools.exclude(
            invocation__status=ToolInvocation.Status.SUCCEEDED, epoch=F("invocation__epoch")
        )


class Attachment(Row):
    """Written before its bytes are (`chat/attachments/handing_in.py`), so that these are never without a row.

    A tool's belongs to one attempt: it is there for its user once the result of that attempt is the recorded one, so
    the same statement that records the result brings its files to light.
    """

    user = models.ForeignKey("chat.User", models.CASCADE, related_name="attachments", db_index=False)
    invocation = models.ForeignKey(ToolInvocation, models.CASCADE, null=True, related_name="attachments")
    """Which made it; None where a person brought it."""
    epoch = models.PositiveIntegerField(default=0)
    """Of the attempt."""
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["user", "-created_at"], name="attachment_by_user"),
            models.Index(fields=["created_at"], name="attachment_by_time"),
            models.Index(fields=["media_type", "created_at"], name="attachment_by_type"),
        ]

    @property
    def is_recorded(self) -> bool:
        """What `recorded` asks the database."""
        made_by = self.invocation
        if made_by is None:
            return True
        return made_by.status == ToolInvocation.Status.SUCCEEDED and made_by.epoch == self.epoch

    def __str__(self) -> str:
        # Its name may say what somebody would rather keep to himself; this goes into logs and lists.
        return f"{self.media_type}, {self.size} bytes"
