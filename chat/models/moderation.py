"""What staff do not want said, and what was found of it: by which rule, where and how long, never the words."""

from typing import Any, Final

from django.contrib.auth.models import Group
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Now

from chat.models.base import Row, second_of

LABEL_CHARACTERS: Final = 40


class ModerationRule(Row):
    """No groups means everybody: where its last group is deleted it holds for all, rather than for nobody."""

    class Kind(models.TextChoices):
        LITERAL = "literal", "words, whatever their case"
        REGEX = "regex", "pattern (RE2)"
        EMAIL = "email", "e-mail address"
        PHONE = "phone", "phone number"
        CARD = "card", "payment card number"
        CN_ID = "cn_id", "Chinese resident ID number"
        LENGTH = "length", "maximum length"

    class Action(models.TextChoices):
        FLAG = "flag", "flag: let through and note"
        MASK = "mask", "mask: replace"
        BLOCK = "block", "block: refuse, or end as an error"
        STOP = "stop", "stop: end there"

    name = models.CharField(max_length=100, unique=True)
    """Users read it where the rule has done something."""
    kind = models.CharField(max_length=10, choices=Kind)
    pattern = models.CharField(max_length=2000, blank=True)
    longest_match = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    """In characters: so much is held back at most. Of the kind `length`, what a text may have."""
    action = models.CharField(max_length=10, choices=Action)
    label = models.CharField(max_length=LABEL_CHARACTERS, blank=True)
    """Shown instead of what is masked."""
    on_input = models.BooleanField(default=True)
    on_output = models.BooleanField(default=True)
    on_tool_results = models.BooleanField(default=False)
    groups = models.ManyToManyField(Group, blank=True, related_name="+")
    enabled = models.BooleanField(default=True)
    note = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class ModerationHit(Row):
    """One place where a rule has found something. It goes with what it was found in."""

    class Where(models.TextChoices):
        INPUT = "input", "input"
        OUTPUT = "output", "output"
        TOOL_RESULT = "tool_result", "tool result"

    rule = models.ForeignKey(ModerationRule, models.SET_NULL, null=True, related_name="hits")
    rule_name = models.CharField(max_length=100)
    action = models.CharField(max_length=10, choices=ModerationRule.Action)
    where = models.CharField(max_length=12, choices=Where)
    part = models.CharField(max_length=20)
    """`text`, `reasoning`, `refusal`, `arguments`, `name`, `citation`, `system`, `result` or `note`."""
    user = models.ForeignKey("chat.User", models.CASCADE, related_name="+")
    run = models.ForeignKey("chat.Run", models.CASCADE, null=True, related_name="moderation_hits")
    message = models.ForeignKey("chat.Message", models.CASCADE, null=True, related_name="+")
    step = models.PositiveSmallIntegerField(null=True)
    position = models.PositiveIntegerField()
    """The character at which it begins, in its part."""
    length = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ("view",)
        indexes = [models.Index(fields=["created_at"], name="moderation_hit_time")]

    def __str__(self) -> str:
        return f"{self.rule_name}, {self.where}, {second_of(self.created_at)}"


def columns_of_rule(row: ModerationRule) -> dict[str, Any]:
    """As chat.moderation.rules.Rule has them."""
    return {
        "key": row.pk,
        "name": row.name,
        "kind": row.kind,
        "pattern": row.pattern,
        "longest": row.longest_match,
        "action": row.action,
        "label": row.label,
    }
