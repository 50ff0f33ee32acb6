"""Rows of the ledger keep the pseudonym of whoever asked, so that they say whose they are without the account."""

from uuid import UUID

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import OuterRef, Subquery

NOBODY = UUID(int=0)


def name_rows(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    users = apps.get_model("chat", "User").objects.filter(pk=OuterRef("user"))
    rows = apps.get_model("chat", "ModelCall").objects.exclude(user=None)
    rows.update(pseudonym=Subquery(users.values("pseudonym")))


class Migration(migrations.Migration):
    # Rows are changed and then the table: PostgreSQL wants those in transactions of their own.
    atomic = False
    dependencies = [("chat", "0016_webhook_payload_permission")]
    operations = [
        migrations.AddField("modelcall", "pseudonym", models.UUIDField(default=NOBODY, db_default=NOBODY)),
        migrations.RunPython(name_rows, migrations.RunPython.noop),
        migrations.AddIndex(
            "modelcall", models.Index(fields=["pseudonym", "started_at"], name="call_by_pseudonym")
        ),
        migrations.AddIndex(
            "modelcall", models.Index(fields=["provider", "model", "started_at"], name="call_by_model")
        ),
        migrations.AddIndex("modelcall", models.Index(fields=["started_at"], name="call_by_time")),
        migrations.AddIndex(
            "modelcall",
            models.Index(fields=["started_at"], name="call_under_way", condition=models.Q(outcome="running")),
        ),
    ]
