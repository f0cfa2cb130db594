"""Which roles may look at the game's records in the staff pages. Nobody may change them there."""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant

#: No personal data: tables, rounds, what stopped them, and what devices said.
FLOOR = (
    "tables.view_table",
    "tables.view_round",
    "tables.view_incident",
    "tables.view_device",
    "tables.view_sightingrecord",
)
#: Bets name players, so the floor does not see them one by one.
BETS = ("tables.view_bet",)

RIGHTS = {
    Role.PIT_BOSS: FLOOR,
    Role.SUPPORT: ("tables.view_table", "tables.view_round", "tables.view_incident", *BETS),
    Role.COMPLIANCE: FLOOR + BETS,
    Role.FINANCE: ("tables.view_table", "tables.view_round", *BETS),
    Role.AUDITOR: FLOOR + BETS,
    Role.ADMINISTRATOR: FLOOR + BETS,
}


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [("tables", "0002_records_of_play"), ("accounts", "0002_roles")]
    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]
