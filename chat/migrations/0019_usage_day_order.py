"""The index of the daily sums has the order in which reports group them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0018_usage_days")]
    operations = [
        migrations.RemoveConstraint("usageday", "one_sum_a_day_and_kind"),
        migrations.AddConstraint(
            "usageday",
            models.UniqueConstraint(
                fields=["day", "provider", "model", "currency", "usage_source", "purpose", "pseudonym"],
                name="one_sum_a_day_and_kind",
            ),
        ),
    ]
