"""Rows of any table, made from what its columns are, so that a test may walk all lists that are registered."""

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.db import IntegrityError, models, transaction

_numbers = count(1)


def some(model: type[models.Model], number: int) -> list[models.Model]:
    return [any_row(model) for _ in range(number)]


def any_row(model: type[models.Model], depth: int = 0) -> models.Model:
    """A row with all that it cannot do without, and with what it may belong to."""
    number = next(_numbers)
    values = {}
    for field in model._meta.concrete_fields:
        if isinstance(field, models.AutoField) or (field.primary_key and field.has_default()):
            continue
        if isinstance(field, models.ForeignKey):
            if field.null and (depth > 3 or field.related_model is model):
                continue
            values[field.name] = any_row(field.related_model, depth + 1)
        elif field.unique or not (field.has_default() or field.has_db_default() or field.null):
            values[field.name] = _value(field, number)
    try:
        with transaction.atomic():
            # Not by itself: a log that is only appended to does not let a row be saved.
            return _plain(model).bulk_create([model(**values)])[0]
    except IntegrityError:
        # Some tables hold one row alone, or one for each of something.
        found = model._default_manager.first()
        if found is None:
            raise
        return found


def _plain(model: Any) -> Any:
    return models.QuerySet(model)


def _value(field: Any, number: int) -> Any:
    if getattr(field, "choices", None):
        return field.choices[0][0]
    kinds: list[tuple[Any, Any]] = [
        (models.UUIDField, uuid.uuid4()),
        (models.BooleanField, True),
        (models.DecimalField, Decimal(1)),
        (models.FloatField, 1.0),
        (models.IntegerField, number),
        (models.DateTimeField, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)),
        (models.DateField, date(2026, 1, 1) + timedelta(days=number)),
        (models.JSONField, []),
        (models.BinaryField, b""),
        (models.GenericIPAddressField, "127.0.0.1"),
    ]
    for kind, value in kinds:
        if isinstance(field, kind):
            return value
    return f"x{number}"[: field.max_length or 20]
