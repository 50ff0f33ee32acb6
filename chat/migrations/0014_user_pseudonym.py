"""A random name for each person, by which the ledger and the audit log know them."""

from uuid import uuid4

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def name_everybody(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    users = apps.get_model("chat", "User").objects
    for key in users.values_list("pk", flat=True).iterator():
        users.filter(pk=key).update(pseudonym=uuid4())


class Migration(migrations.Migration):
    # Rows are changed and then the table: PostgreSQL wants those in transactions of their own.
    atomic = False
    dependencies = [("chat", "0013_run_takeovers")]
    operations = [
        migrations.AddField("user", "pseudonym", models.UUIDField(null=True, editable=False)),
        migrations.RunPython(name_everybody, migrations.RunPython.noop),
        migrations.AlterField(
            "user", "pseudonym", models.UUIDField(default=uuid4, unique=True, editable=False)
        ),
    ]
