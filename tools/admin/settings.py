"""Tools in the admin: each that is installed has a row, made when the list is opened; nobody adds names by hand."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from tools.admin import words
from tools.admin.forms import ToolSettingForm
from tools.base import Tool
from tools.discovery import installed
from tools.models import ToolSetting
from tools.overrides import override_of

NOT_INSTALLED = "not installed any more"


def tool_of(row: ToolSetting | None) -> Tool | None:
    return next((tool for tool in installed() if row is not None and tool.name == row.name), None)


def _shown(show: Callable[[Tool], str]) -> Callable[[Any, ToolSetting], str]:
    def column(_admin: Any, row: ToolSetting) -> str:
        tool = tool_of(row)
        return words.both(show(tool), show(override_of(row).applied_to(tool))) if tool is not None else ""

    return column


@admin.register(ToolSetting)
class ToolSettingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = ToolSettingForm
    list_display = ("name", "state", "time", "attempts", "approval", "result", "for_groups", "place")
    list_filter = ("enabled",)
    search_fields = ("name",)
    list_per_page = 200
    readonly_fields = ("name", "place", "compared")
    fields = (
        "name", "place", "compared", "enabled", "description", "timeout_seconds", "retries", "needs_approval",
        "max_result_bytes", "groups",
    )  # fmt: skip
    filter_horizontal = ("groups",)
    actions = ("switch_on", "switch_off")

    time = admin.display(description="time")(_shown(lambda tool: words.seconds(tool.timeout_seconds)))
    attempts = admin.display(description="attempts at most")(_shown(lambda tool: words.tries(tool.retries)))
    approval = admin.display(description="needs approval")(
        _shown(lambda tool: words.yes_or_no(tool.needs_approval))
    )
    result = admin.display(description="result for the model")(
        _shown(lambda tool: words.size(tool.max_result_bytes))
    )

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """What is set for a tool that is there is emptied, not deleted: deleting would switch it on unseen."""
        may: bool = super().has_delete_permission(request, obj)
        return may and (not isinstance(obj, ToolSetting) or tool_of(obj) is None)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.has_view_or_change_permission(request):
            ToolSetting.objects.ensure([tool.name for tool in installed()])
        return super().changelist_view(request, extra_context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ToolSetting]:
        rows: QuerySet[ToolSetting] = super().get_queryset(request).prefetch_related("groups")
        return rows

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> "type[ModelForm[Any]]":
        form: type[ModelForm[Any]] = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"tool": tool_of(obj)})

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """With the values: who changed what is read here, and nowhere else."""
        told = [
            f"{name}: {_said(form.initial.get(name))} → {_said(form.cleaned_data[name])}"
            for name in form.changed_data
        ]
        return "; ".join(told) or "Changed nothing."

    @admin.display(description="switched", ordering="enabled")
    def state(self, row: ToolSetting) -> str:
        return NOT_INSTALLED if tool_of(row) is None else "on" if row.enabled else "off"

    @admin.display(description="only for")
    def for_groups(self, row: ToolSetting) -> str:
        return ", ".join(group.name for group in row.groups.all())

    @admin.display(description="declared in")
    def place(self, row: ToolSetting) -> str:
        tool = tool_of(row)
        return tool.place if tool is not None else NOT_INSTALLED

    @admin.display(description="what is in force")
    def compared(self, row: ToolSetting) -> SafeString | str:
        tool = tool_of(row)
        return words.compared(tool, override_of(row)) if tool is not None else words.MISSING

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, chosen: QuerySet[ToolSetting]) -> None:
        self._switch(request, chosen, True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, chosen: QuerySet[ToolSetting]) -> None:
        self._switch(request, chosen, False)

    def _switch(self, request: HttpRequest, chosen: QuerySet[ToolSetting], enabled: bool) -> None:
        rows = list(chosen.filter(enabled=not enabled))
        ToolSetting.objects.filter(pk__in=[row.pk for row in rows]).update(enabled=enabled)
        for row in rows:
            self.log_change(request, row, f"enabled: {_said(not enabled)} → {_said(enabled)}")
        word = "on" if enabled else "off"
        self.message_user(
            request, f"Switched {word}: {', '.join(map(str, rows)) or 'none'}.", messages.SUCCESS
        )


def _said(value: Any) -> str:
    if value is None or value == "":
        return words.NOTHING
    if isinstance(value, bool):
        return words.yes_or_no(value)
    if isinstance(value, str | int | float):
        return str(value)
    return ", ".join(sorted(str(one) for one in value)) or words.NOTHING
