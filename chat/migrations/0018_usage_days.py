"""The ledger's daily sums, and those of the rows that are there."""

from collections import defaultdict
from datetime import UTC
from decimal import Decimal

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import chat.models.base

KEY = ("pseudonym", "provider", "model", "purpose", "currency", "usage_source")
COUNTERS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
SUMS = ("calls", *COUNTERS, "cost_billionths")


def add_up(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    """In memory is a line a sum, not a row. (SQLite would add the costs up as floating point.)"""
    rows = apps.get_model("chat", "ModelCall").objects.exclude(outcome="running")
    sums: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0] * len(SUMS))
    names = ("started_at", *KEY, "cost", *COUNTERS)
    for began, *rest in rows.values_list(*names).iterator(chunk_size=2000):
        key, cost, counters = rest[: len(KEY)], rest[len(KEY)], rest[len(KEY) + 1 :]
        cost = cost if cost is not None else Decimal(0)
        figures = (1, *(count or 0 for count in counters), int(cost.scaleb(9)))
        into = sums[began.astimezone(UTC).date(), *key]
        for place, figure in enumerate(figures):
            into[place] += figure
    days = apps.get_model("chat", "UsageDay")
    made = (
        days(**dict(zip(("day", *KEY), key, strict=True)), **dict(zip(SUMS, figures, strict=True)))
        for key, figures in sums.items()
    )
    days.objects.bulk_create(made, batch_size=1000)


class Migration(migrations.Migration):
    # Rows are written after the table: PostgreSQL wants those in transactions of their own.
    atomic = False
    dependencies = [("chat", "0017_call_pseudonym")]
    operations = [
        migrations.CreateModel(
            name="UsageDay",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=chat.models.base.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("day", models.DateField()),
                ("pseudonym", models.UUIDField()),
                ("provider", models.CharField(max_length=60)),
                ("model", models.CharField(max_length=140)),
                ("purpose", models.CharField(max_length=16)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("usage_source", models.CharField(max_length=16)),
                ("calls", models.BigIntegerField(default=0)),
                ("input_tokens", models.BigIntegerField(default=0)),
                ("output_tokens", models.BigIntegerField(default=0)),
                ("cached_tokens", models.BigIntegerField(default=0)),
                ("cache_write_tokens", models.BigIntegerField(default=0)),
                ("reasoning_tokens", models.BigIntegerField(default=0)),
                ("cost_billionths", models.BigIntegerField(default=0)),
            ],
            options={
                "indexes": [models.Index(fields=["pseudonym", "day"], name="usage_by_pseudonym")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "day",
                            "pseudonym",
                            "provider",
                            "model",
                            "purpose",
                            "currency",
                            "usage_source",
                        ),
                        name="one_sum_a_day_and_kind",
                    )
                ],
            },
        ),
        migrations.RunPython(add_up, migrations.RunPython.noop),
    ]
