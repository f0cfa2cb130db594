"""Finding whether officers were told of a thing that is late, without reading every notice."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("notices", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX notices_overdue_by_reference ON notices_notice"
            " ((context ->> 'reference')) WHERE kind = 'officers_overdue'",
            "DROP INDEX notices_overdue_by_reference",
        )
    ]
