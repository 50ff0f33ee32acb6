from django.db import migrations

from tools.demo_shop import load


def fill(apps, _schema_editor):
    """Once: who takes the demo away has it gone for good."""
    load(*(apps.get_model("tools", name) for name in ("Product", "Order", "OrderLine")))


class Migration(migrations.Migration):
    dependencies = [("tools", "0001_shop")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
