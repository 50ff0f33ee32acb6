"""The admin's action that gives models their vendors' list prices."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from chat.actions.prices import give_list_prices
from chat.models import LanguageModel
from chat.usage.list_prices import bundled


@admin.action(description="Give their list prices", permissions=["change"])
def list_prices(
    model_admin: "admin.ModelAdmin[Any]", request: HttpRequest, chosen: "QuerySet[LanguageModel]"
) -> None:
    if not request.user.has_perm("chat.add_price"):
        model_admin.message_user(request, "You may not add prices.", messages.ERROR)
        return
    said = give_list_prices(chosen.select_related("provider"), bundled())
    for line in said:
        model_admin.message_user(request, line, messages.SUCCESS)
    if not said:
        model_admin.message_user(request, "The list says nothing new about these.", messages.WARNING)
