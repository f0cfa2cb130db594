"""Devices by hand, and settings that two people change."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tables", "0008_the_presenters")]
    operations = []
