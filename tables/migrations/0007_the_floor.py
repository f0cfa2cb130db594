"""The floor: incidents worked off by people, manual results, corrections."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tables", "0006_latency_bound"), ("accounts", "0002_roles")]
    operations = []
