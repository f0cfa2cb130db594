"""What an inspector reads, and who takes evidence packs.

Only rights to look and to take a pack: none of these changes anything. An inspector and compliance
find in a pack what the player it is about must not learn of; an auditor does not.
"""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant, withdraw

TAKE = "accounts.player:take_packs"
HIDDEN = "compliance.case:read_hidden"

RIGHTS = {
    Role.INSPECTOR: (
        TAKE,
        HIDDEN,
        "accounts.user:view_program_checks",
        "audit.view_auditevent",
        "backoffice.view_playernote",
        "backoffice.playernote:read_confidential",
        "compliance.kyccheck:view_kyc",
        "compliance.profileproposal:view_profiles",
        "compliance.view_limitchange",
        "compliance.view_standing",
        "compliance.view_switch",
        "ledger.view_account",
        "ledger.view_batch",
        "ledger.view_entryline",
        "ledger.view_transferrow",
        "ledger.transferrow:view_adjustments",
        "payments.view_deposit",
        "payments.view_withdrawal",
        "payments.deposit:view_chargebacks",
        "tables.round:take_evidence",
        "tables.table:watch_floor",
        "tables.view_authorisation",
        "tables.view_bet",
        "tables.view_consoleact",
        "tables.view_correction",
        "tables.view_device",
        "tables.view_devicekey",
        "tables.view_equipment",
        "tables.view_incident",
        "tables.view_inspection",
        "tables.view_publishedrules",
        "tables.view_round",
        "tables.view_settingchange",
        "tables.view_shift",
        "tables.view_sightingrecord",
        "tables.view_table",
    ),
    Role.AUDITOR: (TAKE,),
    Role.COMPLIANCE: (TAKE, HIDDEN),
}


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


def forbid(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        withdraw(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_people_from_outside"),
        ("backoffice", "0009_debts_need_two"),
        ("compliance", "0015_profile_sign_offs"),
        ("tables", "0009_devices_and_settings"),
    ]
    operations = [migrations.RunPython(allow, forbid)]
