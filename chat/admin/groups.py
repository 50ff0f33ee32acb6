"""Groups: beside Django's permissions, which models and tools their members may use.

It is shown here and set where a model or tool is edited. Here it could not be set without harm: whoever takes the last
group away from a model opens it to everybody, which is not what an empty box on the page of a group would seem to say.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from msgspec import Struct

from chat.models import LanguageModel, WebhookTool
from tools.discovery import installed
from tools.models import ToolSetting

MOST_SHOWN: Final = 200

admin.site.unregister(Group)


class Used(Struct, frozen=True):
    """A model or a tool, and whom it is for."""

    name: str
    enabled: bool
    groups: tuple[str, ...]
    url: str = ""

    def words(self, group: str) -> str:
        if not self.enabled:
            return _("switched off")
        if not self.groups:
            return _("everybody")
        others = ", ".join(name for name in self.groups if name != group)
        if group not in self.groups:
            return _("only %(groups)s") % {"groups": others}
        return _("this group, and %(groups)s") % {"groups": others} if others else _("this group alone")


@admin.register(Group)
class GroupsAdmin(GroupAdmin):
    readonly_fields = ("models", "tools", "webhook_tools")
    filter_horizontal = ("permissions",)

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        whole: list[tuple[Any, dict[str, Any]]] = [(None, {"fields": ("name",)})]
        shown = {
            "models": "chat.view_languagemodel",
            "tools": "tools.view_toolsetting",
            "webhook_tools": "chat.view_webhooktool",
        }
        seen = tuple(name for name, permission in shown.items() if request.user.has_perm(permission))
        if obj is not None and seen:
            whole.append((gettext_lazy("What its members may use"), {"fields": seen}))
        return [*whole, (gettext_lazy("What staff in it may do"), {"fields": ("permissions",)})]

    @admin.display(description=gettext_lazy("models"))
    def models(self, group: Group) -> SafeString:
        rows = LanguageModel.objects.select_related("provider").order_by("provider__name", "name")
        return _listed(group, _used(rows, "admin:chat_languagemodel_change"))

    @admin.display(description=gettext_lazy("tools"))
    def tools(self, group: Group) -> SafeString:
        """Also those for which nothing has been set yet. Some ask themselves who may use them, beside this."""
        set_ = {
            used.name: used for used in _used(ToolSetting.objects.all(), "admin:tools_toolsetting_change")
        }
        known = (set_.get(tool.name) or Used(tool.name, True, ()) for tool in installed())
        return _listed(group, sorted(known, key=lambda used: used.name))

    @admin.display(description=gettext_lazy("webhook tools"))
    def webhook_tools(self, group: Group) -> SafeString:
        rows = WebhookTool.objects.defer("secrets_encrypted", "parameters").order_by("name")
        return _listed(group, _used(rows, "admin:chat_webhooktool_change"))


def _used(rows: "QuerySet[Any]", view: str) -> Iterator[Used]:
    for row in rows.prefetch_related("groups")[: MOST_SHOWN + 1]:
        names = tuple(sorted(group.name for group in row.groups.all()))
        provided = getattr(row, "provider", None)
        enabled = row.enabled and (provided is None or provided.enabled)
        yield Used(str(row), enabled, names, reverse(view, args=[row.pk]))


def _listed(group: Group, found: Iterable[Used]) -> SafeString:
    rows = list(found)
    if not rows:
        return format_html("{}", _("none"))
    items = format_html_join(
        "",
        "<li>{}: {}</li>",
        ((_name(used), used.words(group.name)) for used in rows[:MOST_SHOWN]),
    )
    more = format_html("<p>{}</p>", _("There are more.")) if len(rows) > MOST_SHOWN else ""
    return format_html("<ul>{}</ul>{}", items, more)


def _name(used: Used) -> str:
    return format_html('<a href="{}">{}</a>', used.url, used.name) if used.url else used.name
