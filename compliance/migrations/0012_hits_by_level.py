"""A hit is unique by level too: a candidate, even a cleared one, that a later matcher calls sure is
raised again and rests the account.
"""

from django.db import migrations

UNIQUE = """
ALTER TABLE compliance_screening_hit
    DROP CONSTRAINT compliance_screening_hit_player_id_entry_id_facts_digest_key;
ALTER TABLE compliance_screening_hit ADD CONSTRAINT compliance_screening_hit_once
    UNIQUE (player_id, entry_id, facts_digest, level);
"""
BACK = """
ALTER TABLE compliance_screening_hit DROP CONSTRAINT compliance_screening_hit_once;
ALTER TABLE compliance_screening_hit ADD UNIQUE (player_id, entry_id, facts_digest);
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0010_outside")]
    operations = [migrations.RunSQL(UNIQUE, BACK)]
