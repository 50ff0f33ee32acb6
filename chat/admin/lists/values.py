"""A filter by the values that a column has, found without reading the table."""

from typing import Any, Final

from django.contrib import admin
from django.db import connections, models
from django.http import HttpRequest

MOST_VALUES: Final = 50
NEWEST: Final = 2_000
"""Rows that are looked at where no index goes by the column."""


class KnownValues(admin.AllValuesFieldListFilter):
    """In the place of Django's own one, which asks for all different values of all rows."""

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: Any,
        model: type[models.Model],
        model_admin: Any,
        field_path: str,
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        if is_led_by(model, field.name):
            choices = values_of(model, field)
        else:
            newest = model_admin.get_queryset(request).order_by("-pk").values(field.name)[:NEWEST]
            found = {row[field.name] for row in newest} - {None}
            choices = sorted(found)[:MOST_VALUES]
        self.lookup_choices: Any = choices


def is_led_by(model: type[models.Model], name: str) -> bool:
    """Some index of all rows begins with this column."""
    field = model._meta.get_field(name)
    if getattr(field, "db_index", False) or getattr(field, "unique", False):
        return True
    indexes = [index.fields for index in model._meta.indexes if index.condition is None]
    return any(fields and fields[0].lstrip("-") == name for fields in indexes)


def values_of(model: type[models.Model], field: Any) -> list[Any]:
    """In order. From each value the index is asked for the next one: as many steps as there are values."""
    connection = connections["default"]
    quote = connection.ops.quote_name
    names = {"table": quote(model._meta.db_table), "column": quote(field.column)}
    with connection.cursor() as cursor:
        cursor.execute(_STEPS.format(**names), [MOST_VALUES])
        return [value for (value,) in cursor.fetchall()]


_STEPS: Final = """
WITH RECURSIVE known(value) AS (
    SELECT min({column}) FROM {table}
    UNION ALL
    SELECT (SELECT min({column}) FROM {table} WHERE {column} > known.value) FROM known WHERE known.value IS NOT NULL
)
SELECT value FROM known WHERE value IS NOT NULL LIMIT %s
"""
