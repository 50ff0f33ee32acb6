"""People."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from chat.admin.lists import LargeList
from chat.models import User


@admin.register(User)
class PeopleAdmin(LargeList, UserAdmin):  # type: ignore[type-arg]
    list_display = ("username", "email", "is_active", "is_staff", "last_login", "date_joined")
    date_hierarchy = "date_joined"

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """A user goes with all conversations, although nobody may delete those one by one."""
        rows, counts, _missing, protected = super().get_deleted_objects(objs, request)
        may = request.user.has_perm("chat.delete_user")
        return _without_texts(rows), counts, set() if may else {"user"}, protected


def _without_texts(rows: Sequence[Any]) -> list[Any]:
    # The counts say what goes; a list of every message helps nobody.
    return [row for row in rows if isinstance(row, str)]
