"""A third family of rules: what a payment meets. They open no cases, so those stay as they are."""

from django.db import migrations

_SWAP = """
ALTER TABLE compliance_watch_rule DROP CONSTRAINT compliance_watch_rule_family_check;
ALTER TABLE compliance_watch_rule ADD CONSTRAINT compliance_watch_rule_family_check
    CHECK (family IN ({families}));
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0021_exclusions_stay_whole")]
    operations = [
        migrations.RunSQL(
            _SWAP.format(families="'aml', 'harm', 'fraud'"), _SWAP.format(families="'aml', 'harm'")
        )
    ]
