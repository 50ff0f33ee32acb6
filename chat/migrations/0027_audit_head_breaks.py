"""The head of the audit log keeps every break that was found, not the first alone."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0026_token_quotas'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='audithead',
            name='broken_at',
        ),
        migrations.AddField(
            model_name='audithead',
            name='breaks',
            field=models.JSONField(default=list),
        ),
    ]
