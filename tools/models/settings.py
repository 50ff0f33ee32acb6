"""What staff have set for a tool. A row changes nothing by being there: each empty column leaves what the tool says."""

from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import F
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from tools.base import MOST_RETRIES
from tools.models.groups import close_to_everybody

VALUES = ("enabled", "description", "timeout_seconds", "retries", "needs_approval", "max_result_bytes")


class ToolSettingQuerySet(models.QuerySet["ToolSetting"]):
    def named(self) -> list[tuple[str, dict[str, Any]]]:
        """Names and what is set for them, as `ToolOverride` takes it; one query."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.values("name", *VALUES, group=F("groups__name")):
            name, group = row.pop("name"), row.pop("group")
            values = found.setdefault(name, {**row, "groups": frozenset()})
            if group is not None:
                values["groups"] |= {group}
        return list(found.items())

    def ensure(self, names: Collection[str]) -> None:
        """There is a row for each of them; those that are made set nothing. At once by several is no harm."""
        missing = set(names).difference(self.filter(name__in=names).values_list("name", flat=True))
        if missing:
            self.bulk_create(
                [ToolSetting(name=name) for name in names if name in missing], ignore_conflicts=True
            )


class ToolSetting(models.Model):
    name = models.CharField(max_length=64, unique=True, editable=False)
    enabled = models.BooleanField(
        "switched on",
        default=True,
        help_text="Switched off, no model is told of it and no call of it is run.",
    )
    description = models.TextField(
        blank=True, help_text="What models are told of it. Empty: what the tool says itself."
    )
    timeout_seconds = models.FloatField(
        null=True, blank=True, help_text="After which a call is asked to stop."
    )
    retries = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text=(
            f"How often a call is tried again after its worker died or it was unavailable: {MOST_RETRIES} at most, "
            "and only where the tool is idempotent."
        ),
    )
    needs_approval = models.BooleanField(
        null=True, blank=True, help_text="Whether a person must agree to each call."
    )
    max_result_bytes = models.PositiveIntegerField(
        null=True, blank=True, help_text="What models are given of a result. All of it is kept."
    )
    groups = models.ManyToManyField(
        Group,
        blank=True,
        related_name="+",
        help_text="Only their members may use it, beside what the tool itself asks. None: everybody.",
    )

    objects = ToolSettingQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        verbose_name = "tool"

    def __str__(self) -> str:
        return self.name


@receiver(pre_delete, sender=Group)
def _group_goes(instance: Group, **_: Any) -> None:
    close_to_everybody(ToolSetting.objects.all(), instance)
