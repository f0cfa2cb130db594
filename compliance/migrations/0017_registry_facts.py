"""The gate's row says what a register lacks of its player, so that a refusal can name it."""

from django.db import migrations

ADD = """
ALTER TABLE compliance_admission ADD COLUMN registry_lacks text NOT NULL DEFAULT '';
UPDATE compliance_admission a SET registry_lacks = substr(r.detail, 7)
FROM (SELECT DISTINCT ON (player_id) player_id, registry, outcome, detail
      FROM compliance_registry_answer WHERE player_id IS NOT NULL
      ORDER BY player_id, checked_at DESC) r
WHERE r.player_id = a.player_id AND r.registry = a.registry AND a.registry_outcome = 'indeterminate'
    AND r.outcome = 'indeterminate' AND starts_with(r.detail, 'lacks_');
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0016_quarters_of_old_days")]
    operations = [
        migrations.RunSQL(ADD, "ALTER TABLE compliance_admission DROP COLUMN registry_lacks")
    ]
