"""Tools that other people's servers run: what is offered of them, and the record of what went to and fro."""

from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from chat.models.base import Row, second_of
from chat.models.rotating_secrets import RotatingSecrets
from chat.models.tools import ToolInvocation
from tools.models.groups import close_to_everybody

if TYPE_CHECKING:
    from chat.models.users import User

MOST_DEADLINE_SECONDS: Final = 7 * 86_400
IDEMPOTENT_RETRIES: Final = 2


def no_parameters() -> dict[str, Any]:
    return {"type": "object", "properties": {}}


class WebhookToolQuerySet(models.QuerySet["WebhookTool"]):
    def usable_by(self, user: "User") -> "WebhookToolQuerySet":
        """Switched on, and for everybody or for a group of this user's."""
        theirs = models.Q(groups=None) | models.Q(groups__in=user.groups.values("pk"))
        return self.filter(theirs, enabled=True).distinct()


class WebhookTool(Row, RotatingSecrets):
    """Staff define it; its secret signs in both directions."""

    name = models.CharField(
        max_length=64,
        unique=True,
        validators=[
            RegexValidator(r"\A[a-z][a-z0-9_]{0,63}\Z", "A small letter, then small letters, digits and _.")
        ],
    )
    description = models.TextField(max_length=1024)
    """What the model is told."""
    url = models.CharField("URL", max_length=2000)
    parameters = models.JSONField(default=no_parameters)
    """The arguments as a JSON schema of type object (draft 2020-12)."""
    deadline_seconds = models.FloatField(
        default=60.0, validators=[MinValueValidator(1.0), MaxValueValidator(MOST_DEADLINE_SECONDS)]
    )
    """From the call to the result."""
    needs_approval = models.BooleanField(default=False)
    idempotent = models.BooleanField(default=False)
    max_result_bytes = models.PositiveIntegerField(default=65_536, validators=[MinValueValidator(256)])
    groups = models.ManyToManyField(Group, blank=True, related_name="+")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = WebhookToolQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def retries(self) -> int:
        return IDEMPOTENT_RETRIES if self.idempotent else 0


@receiver(pre_delete, sender=Group)
def _group_goes(instance: Group, **_: Any) -> None:
    close_to_everybody(WebhookTool.objects.all(), instance)


class ToolDelivery(Row):
    """One try to call a webhook tool, and what was answered."""

    invocation = models.ForeignKey(ToolInvocation, models.CASCADE, related_name="deliveries")
    attempt = models.PositiveSmallIntegerField()
    again = models.BooleanField(default=False)
    """Sent by hand, beside the tries of the invocation."""
    url = models.CharField("URL", max_length=2000)
    status = models.PositiveSmallIntegerField(null=True)
    """The HTTP status, null where there was none."""
    error = models.CharField(max_length=300, blank=True)
    response = models.TextField(blank=True)
    """The first kilobyte of the answer's body."""
    duration_ms = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "webhook tool call"
        verbose_name_plural = "webhook tool calls"
        default_permissions = ("view",)
        permissions = [("redeliver_tooldelivery", "Can call webhook tools again")]

    def __str__(self) -> str:
        return f"attempt {self.attempt}, {self.status or self.error}, {second_of(self.created_at)}"


class ToolCallback(Row):
    """A request that came for an invocation, taken or refused."""

    invocation = models.ForeignKey(ToolInvocation, models.CASCADE, related_name="callbacks")
    message = models.CharField(max_length=200, blank=True)
    """Its `webhook-id`; empty where it was not signed as it should be, and `call_id` for the flat form."""
    what = models.CharField(max_length=20, blank=True)
    """`progress`, `succeeded`, `failed`; empty where it could not be read."""
    accepted = models.BooleanField()
    answer = models.PositiveSmallIntegerField()
    """The HTTP status it was answered with."""
    detail = models.CharField(max_length=300, blank=True)
    """Why it was refused, for staff."""
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "webhook tool callback"
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["invocation", "message"],
                condition=models.Q(accepted=True),
                name="one_effect_of_a_message",
            )
        ]

    def __str__(self) -> str:
        return f"{self.what or 'unreadable'}, {self.answer}, {second_of(self.created_at)}"
