"""Which prices came from the vendors' list, and may be followed by it; those that are there may be anybody's."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0019_usage_day_order")]
    operations = [
        migrations.AddField(
            "price", "from_list", models.BooleanField(default=False, db_default=False, editable=False)
        ),
    ]
