"""What a list of records is in the admin: it stays quick, however many there are."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest

from chat.admin.lists.calendar import Calendar, Choices
from chat.admin.lists.paginator import BoundedPaginator
from chat.admin.lists.search import search
from chat.admin.lists.values import KnownValues, is_led_by


class LargeChangeList(ChangeList):
    def calendar(self) -> Choices | None:
        """In the place of Django's date hierarchy (templates/admin/large_list.html)."""
        if not self.date_hierarchy:
            return None
        return Calendar(self.root_queryset, self.date_hierarchy, self.params, self.get_query_string).shown()


class LargeList(admin.ModelAdmin):  # type: ignore[type-arg]
    """`search_fields`, `list_filter`, `date_hierarchy` and `ordering` mean what they always mean."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    change_list_template = "admin/large_list.html"
    list_per_page: ClassVar[int] = 100

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LargeChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        return search(queryset, self.get_search_fields(request), search_term), False

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [self._filter(one) for one in super().get_list_filter(request)]

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """By what an index goes by alone: any other column would have all rows sorted."""
        wanted = super().get_sortable_by(request)
        return [name for name in wanted if self._goes_by_an_index(name)]

    def _filter(self, one: Any) -> Any:
        if not isinstance(one, str) or "__" in one:
            return one
        field = self.model._meta.get_field(one)
        has_choices = bool(getattr(field, "choices", None))
        plain = isinstance(field, models.CharField | models.IntegerField) and not has_choices
        return (one, KnownValues) if plain else one

    def _goes_by_an_index(self, name: Any) -> bool:
        own = getattr(self, name, None) if isinstance(name, str) else name
        column = getattr(own, "admin_order_field", None) if callable(own) else name
        if not isinstance(column, str):
            return False
        column = column.lstrip("-")
        if column == "pk":
            return True
        try:
            self.model._meta.get_field(column)
        except FieldDoesNotExist:
            return False
        return is_led_by(self.model, column)
