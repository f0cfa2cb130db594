from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tables", "0004_evidence_since"),
    ]

    operations = [
        migrations.AddField(
            model_name="device",
            name="alive_at_ms",
            field=models.BigIntegerField(default=0),
        ),
    ]
