"""A case about a payment that is late is a kind of its own, which the house opens by itself."""

from django.db import migrations

KINDS = "'complaint', 'dispute', 'cheat_report', 'suspicion'"


def check(kinds: str) -> str:
    return f"""
ALTER TABLE compliance_case DROP CONSTRAINT compliance_case_kind_check;
ALTER TABLE compliance_case ADD CONSTRAINT compliance_case_kind_check CHECK (kind IN ({kinds}));
"""


class Migration(migrations.Migration):
    """The way back is refused by the database while there is such a case."""

    dependencies = [("compliance", "0023_rules_of_payments")]
    operations = [migrations.RunSQL(check(f"{KINDS}, 'payment'"), check(KINDS))]
