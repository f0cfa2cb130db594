"""The functions behind every append-only table: change refused, partitions made."""

from django.db import migrations

from audit.append_only import FUNCTIONS_REVERSE_SQL, FUNCTIONS_SQL


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [migrations.RunSQL(FUNCTIONS_SQL, FUNCTIONS_REVERSE_SQL)]
