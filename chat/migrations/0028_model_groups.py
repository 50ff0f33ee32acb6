"""Models that are kept for groups."""
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('chat', '0027_audit_head_breaks'),
    ]

    operations = [
        migrations.AddField(
            model_name='languagemodel',
            name='groups',
            field=models.ManyToManyField(blank=True, related_name='+', to='auth.group'),
        ),
    ]
