"""Moderation: staff write the rules; what they have found is a record, without the words."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from chat.admin.mixins import ReadOnly
from chat.admin.wire import link
from chat.models import ModerationHit, ModerationRule
from chat.models.base import second_of
from chat.moderation.rules import NO_RE2, BadRule, Rule, RuleSet, checked, is_available, longest_of
from chat.moderation.whole import ruled_text

MOST_TRIED = 10_000
NOT_FOUND = "The rule finds nothing in this text."


class ModerationRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    longest_match = forms.IntegerField(
        min_value=1,
        required=False,
        help_text=(
            "In characters; an answer is held back by so much at most, and only where a match may have begun. Left "
            "empty, it is worked out where the pattern has an end. For a maximum length: what a text may have."
        ),
    )
    try_on = forms.CharField(
        label="Try it on a text",
        required=False,
        max_length=MOST_TRIED,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Nothing is saved as long as a text stands here: the page shows what would become of it.",
    )

    class Meta:
        model = ModerationRule
        fields = (
            "name", "kind", "pattern", "longest_match", "action", "label", "on_input", "on_output", "on_tool_results",
            "groups", "enabled", "note",
        )  # fmt: skip
        help_texts = {  # noqa: RUF012
            "name": "Users read it where the rule has done something.",
            "pattern": "Words, or a pattern in RE2's syntax. Nothing for the other kinds.",
            "label": "Shown instead of what is masked; empty: what the kind is called, such as [e-mail].",
            "groups": "For whom it holds. None: everybody.",
        }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            self._check(data)
        return data

    def _check(self, data: dict[str, Any]) -> None:
        if not is_available():
            raise forms.ValidationError(NO_RE2)
        kind = data["kind"]
        if kind not in ("literal", "regex"):
            data["pattern"] = ""
        try:
            if not data.get("longest_match"):
                # Zero, which no rule may have, where nobody can tell.
                found = None if kind == "length" else longest_of(kind, data["pattern"])
                data["longest_match"] = found or 0
            rule = Rule(
                self.instance.pk,
                data["name"],
                kind,
                data["pattern"],
                data["longest_match"],
                data["action"],
                data["label"],
            )
            checked(rule)
        except BadRule as error:
            self.add_error(error.field, str(error))
            return
        if data.get("try_on"):
            self.add_error("try_on", _tried(rule, data["try_on"]))


def _tried(rule: Rule, text: str) -> str:
    found = ruled_text(text, RuleSet([rule]))
    if not found.hits:
        return NOT_FOUND
    places = ", ".join(f"{hit.start}-{hit.start + hit.length}" for hit in found.hits[:20])
    return f"Found {len(found.hits)} (characters {places}). It becomes: {found.value}"


@admin.register(ModerationRule)
class ModerationRuleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = ModerationRuleForm
    list_display = ("name", "kind", "action", "on_input", "on_output", "on_tool_results", "enabled")
    list_filter = ("enabled", "kind", "action")
    search_fields = ("name", "note")
    ordering = ("name",)
    filter_horizontal = ("groups",)
    fieldsets = (
        (None, {"fields": ("name", "kind", "pattern", "longest_match", "action", "label")}),
        (
            "Where it holds",
            {"fields": ("on_input", "on_output", "on_tool_results", "groups", "enabled", "note")},
        ),
        ("Try it", {"fields": ("try_on",)}),
    )


@admin.register(ModerationHit)
class ModerationHitAdmin(ReadOnly):
    list_display = (
        "created",
        "rule_name",
        "action",
        "where",
        "part",
        "user",
        "run_link",
        "position",
        "length",
    )
    fields = (
        "id", "created", "rule_name", "action", "where", "part", "user", "run_link", "step", "position", "length",
    )  # fmt: skip
    list_filter = ("action", "where", "rule")
    list_select_related = ("user",)
    search_fields = ("=run__id", "=message__id", "=rule_name", "user__username")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    show_full_result_count = False

    @admin.display(description="created at", ordering="created_at")
    def created(self, hit: ModerationHit) -> str:
        return second_of(hit.created_at)

    @admin.display(description="run")
    def run_link(self, hit: ModerationHit) -> SafeString | str:
        return link("admin:chat_run_change", hit.run_id) if hit.run_id else "—"

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The page of a run leads here."""
        return lookup == "run__id__exact" or super().lookup_allowed(lookup, value, request)
