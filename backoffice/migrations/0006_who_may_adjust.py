"""Who may propose and decide adjustments of the books, and where the ledger reads who holds what.

The ledger knows no people, and its limits are by role. So this app, which stands above both, puts
the question "which roles does this person hold at this moment" into the ledger's function.
"""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant

SEE = "ledger.transferrow:view_adjustments"
PROPOSE = "ledger.transferrow:propose_adjustment"
DECIDE = "ledger.transferrow:decide_adjustment"

RIGHTS = {
    Role.FINANCE: (SEE, PROPOSE, DECIDE),
    Role.COMPLIANCE: (SEE,),
    Role.AUDITOR: (SEE,),
    Role.ADMINISTRATOR: (SEE, DECIDE),
}

#: A right needs the group and an appointment in force, here as in `groups_in_force`. The set-up has
#: a role of its own where the owner has opened it: in a demo and in tests, never in production.
ROLES_OF = """
CREATE OR REPLACE FUNCTION ledger_roles_of(p_actor text) RETURNS text[]
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(h.role), '{}') FROM (
        SELECT a.role::text FROM accounts_appointment a
        JOIN accounts_user u ON u.id = a.user_id AND u.is_active AND u.is_staff
        JOIN accounts_user_groups m ON m.user_id = u.id
        JOIN auth_group g ON g.id = m.group_id AND g.name = a.role
        WHERE 'staff:' || a.user_id = p_actor AND a.ended_at IS NULL
            AND coalesce(a.until, 'infinity') > clock_timestamp()
        UNION ALL
        SELECT 'set_up' FROM accounts_set_up_open WHERE p_actor LIKE 'system:%'
    ) h
$$;
"""

NOBODY = """
CREATE OR REPLACE FUNCTION ledger_roles_of(p_actor text) RETURNS text[]
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$ SELECT '{}'::text[] $$;
"""


def allow(apps: Any, schema_editor: Any) -> None:
    for role, permissions in RIGHTS.items():
        grant(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0005_bets_are_read_by_case"),
        ("ledger", "0004_adjustments"),
        ("accounts", "0006_rights_by_appointment"),
    ]
    operations = [
        migrations.RunSQL(ROLES_OF, NOBODY),
        migrations.RunPython(allow, migrations.RunPython.noop),
    ]
