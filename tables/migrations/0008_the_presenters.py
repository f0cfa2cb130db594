"""Presenters: authorisations, shifts, inspections, the console."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tables", "0007_the_floor")]
    operations = []
