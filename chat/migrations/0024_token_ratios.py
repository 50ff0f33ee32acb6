"""What models report for each token that is estimated, and what the estimate of a call was."""

from django.db import migrations, models

RATIO = {"max_digits": 5, "decimal_places": 3, "null": True, "editable": False}
CALLS = {"default": 0, "db_default": 0, "editable": False}


class Migration(migrations.Migration):
    dependencies = [("chat", "0023_admin_lists")]
    operations = [
        migrations.AddField("languagemodel", "input_ratio", models.DecimalField(**RATIO)),
        migrations.AddField("languagemodel", "input_ratio_calls", models.PositiveIntegerField(**CALLS)),
        migrations.AddField("languagemodel", "output_ratio", models.DecimalField(**RATIO)),
        migrations.AddField("languagemodel", "output_ratio_calls", models.PositiveIntegerField(**CALLS)),
        migrations.AddField("modelcall", "estimate", models.JSONField(null=True)),
    ]
