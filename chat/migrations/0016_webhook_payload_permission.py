"""What webhooks said is behind the gate of the audit log, as all that people wrote: its own permission goes."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def drop_permission(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="chat", codename="view_webhookpayload"
    ).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0015_audit_log"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [
        migrations.AlterModelOptions(
            "webhookdelivery",
            {
                "default_permissions": ("view",),
                "permissions": [("redeliver_webhookdelivery", "Can deliver webhooks again")],
                "verbose_name_plural": "webhook deliveries",
            },
        ),
        migrations.RunPython(drop_permission, migrations.RunPython.noop),
    ]
