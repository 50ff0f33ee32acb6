"""What may be set for a tool, refused in words where it makes no sense."""

from typing import Any

from django import forms

from tools.base import Tool
from tools.conf import task_seconds
from tools.exceptions import ToolDefinitionError
from tools.models import ToolSetting
from tools.models.settings import VALUES
from tools.registry import ToolOverride

AS_IT_SAYS = "as the tool says"


class ToolSettingForm(forms.ModelForm):  # type: ignore[type-arg]
    tool: Tool | None = None
    """What is installed under the name; whoever makes the form's class for a request sets it."""
    needs_approval = forms.TypedChoiceField(
        required=False,
        empty_value=None,
        coerce=lambda answer: answer == "True",
        help_text=str(ToolSetting._meta.get_field("needs_approval").help_text),
    )

    class Meta:
        model = ToolSetting
        fields = (*VALUES, "groups")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "description" not in self.fields:  # the row may only be looked at
            return
        tool = self.tool
        said = AS_IT_SAYS
        if tool is not None:
            said += f" ({'yes' if tool.needs_approval else 'no'})"
            for name in ("description", "timeout_seconds", "retries", "max_result_bytes"):
                declared = getattr(tool, name)
                self.fields[name].widget.attrs["placeholder"] = (
                    f"{declared:g}" if name == "timeout_seconds" else str(declared)
                )
        self.fields["needs_approval"].choices = [("", said), ("True", "yes"), ("False", "no")]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in VALUES:
            if name in cleaned:
                self._check(name, cleaned[name])
        if cleaned.get("retries") and self.tool is not None and not self.tool.idempotent:
            self.add_error("retries", "This tool is not idempotent, so that a call is never tried again.")
        most, seconds = task_seconds(), cleaned.get("timeout_seconds")
        if seconds is not None and seconds > most:
            self.add_error("timeout_seconds", f"A worker's task has {most:g} seconds (TASK_SECONDS).")
        return cleaned

    def _check(self, name: str, value: Any) -> None:
        try:
            ToolOverride(**{name: value})
        except ToolDefinitionError as error:
            self.add_error(name, str(error))
