"""What stands in a list's search box: keys, people, and words of the columns that `search_fields` names.

Django would compare each of them in each row, after joining what they belong to. Here a key is looked up as a key; of
what belongs to another table, that table is asked first; and what is not there at all is not asked for again, so that
one index of ours answers the rest.
"""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django.db import connections, models
from django.db.models import F, Func, Q, QuerySet
from django.db.models.lookups import In

MOST_OTHERS: Final = 500
"""People, say, whose names have the word. Of more, the first by key are taken."""
MOST_SORTED: Final = 10_000
"""Rows of several people that are fetched and then sorted; of more, the newest ones are gone through instead."""

Rows = QuerySet[Any]


def search(rows: Rows, fields: Iterable[str], words: str) -> Rows:
    """Those in which each word is found in one of the fields. `=name` is the whole value, letter for letter; `^name`
    its beginning; `name` anything in it, in any case."""
    fields = list(fields)
    for word in words.split():
        found = Q(pk__in=[])
        for field in fields:
            found |= _found(rows, field, word)
        rows = rows.filter(found)
    return rows


def _found(rows: Rows, field: str, word: str) -> Q:
    """Empty where there is none."""
    path, lookup = _lookup(field)
    first, _, rest = path.partition("__")
    last = _last(rows.model, path)
    if isinstance(last, models.UUIDField):
        key = _key(word)
        return Q() if key is None else _if_any(rows, Q(**{path: key}))
    if "\0" in word:  # PostgreSQL does not even take the question
        return Q()
    if rest:
        return _of_others(rows, first, Q(**{f"{rest}__{lookup}": word}))
    asked = Q(**{f"{path}__{lookup}": word})
    return asked if lookup == "icontains" else _if_any(rows, asked)


def _if_any(rows: Rows, asked: Q) -> Q:
    """Each alternative less leaves the database a choice less between ways to get at the rows."""
    return asked if rows.model._default_manager.filter(asked).exists() else Q()


def _of_others(rows: Rows, name: str, asked: Q) -> Q:
    field = rows.model._meta.get_field(name)
    other: Any = field.related_model
    keys = list(
        other._default_manager.filter(asked).order_by("pk").values_list("pk", flat=True)[:MOST_OTHERS]
    )
    if not keys:
        return Q()
    theirs = Q(**{f"{name}__in": keys})
    if len(keys) == 1 or connections[rows.db].vendor != "sqlite":
        return theirs
    # SQLite does not know how many rows somebody has, and would sort all of theirs.
    if rows.model._default_manager.filter(theirs).values("pk")[: MOST_SORTED + 1].count() <= MOST_SORTED:
        return theirs
    no_index = Func(F(field.attname), template="+%(expressions)s", output_field=models.UUIDField())
    return Q(In(no_index, keys))


def _lookup(field: str) -> tuple[str, str]:
    for sign, lookup in {"=": "exact", "^": "startswith"}.items():
        if field.startswith(sign):
            return field.removeprefix(sign), lookup
    return field, "icontains"


def _last(model: type[models.Model], path: str) -> Any:
    field: Any = None
    for name in path.split("__"):
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)
        if field.is_relation:
            model = field.related_model
    return field


def _key(word: str) -> UUID | None:
    try:
        return UUID(word)
    except ValueError:
        return None
