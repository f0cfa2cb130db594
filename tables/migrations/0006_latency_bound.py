"""How long whatever is not pushed waits with a result, and the way to the rounds that still wait."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tables", "0005_device_alive_at")]
    operations = [
        migrations.AddField(
            model_name="table",
            name="latency_bound_ms",
            field=models.PositiveIntegerField(default=8000),
        ),
        migrations.AddIndex(
            model_name="round",
            index=models.Index(fields=["official_at"], name="round_official_at"),
        ),
    ]
