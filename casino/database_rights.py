"""What the role that runs Faro must not be able to do: own tables, or rewrite history."""

from __future__ import annotations

from django.db import connection

#: Tables with a trigger that refuses changes (`audit.append_only.protect_sql`) which the role could
#: change but for it. One that refuses no UPDATE (16 in ``tgtype``) but TRUNCATE alone guards a
#: table whose rows have a trigger of their own.
_REWRITABLE_SQL = """
SELECT DISTINCT c.relname FROM pg_class c
  JOIN pg_trigger t ON t.tgrelid = c.oid JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE c.relkind IN ('r', 'p') AND p.proname = 'audit_refuse_change'
   AND (has_table_privilege(c.oid, 'TRUNCATE') OR (t.tgtype & 16 > 0
        AND (has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE'))))
 ORDER BY c.relname
"""
#: What each role of staff may do, and where the set-up may appoint, is written by the owner alone
#: (accounts 0006).
_GIVEN_SQL = """
SELECT DISTINCT name FROM (VALUES ('auth_group'), ('auth_group_permissions'), ('auth_permission'),
        ('accounts_set_up_open')) AS given (name)
 WHERE to_regclass(name) IS NOT NULL AND (has_table_privilege(name, 'INSERT')
    OR has_any_column_privilege(name, 'UPDATE') OR has_table_privilege(name, 'DELETE'))
 ORDER BY name
"""
_OWNED_SQL = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'public' AND pg_has_role(current_user, c.relowner, 'USAGE')
"""


def problems_of_runtime_role() -> list[str]:
    """Empty when the connected role owns nothing and can change no append-only table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user")
        role, is_superuser = cursor.fetchone()
        if is_superuser:
            return [f"the runtime role {role} is a superuser"]
        cursor.execute(_OWNED_SQL)
        owned = cursor.fetchone()[0]
        cursor.execute(_REWRITABLE_SQL)
        rewritable = [row[0] for row in cursor.fetchall()]
        cursor.execute(_GIVEN_SQL)
        given = [row[0] for row in cursor.fetchall()]
    problems = []
    if owned:
        problems.append(f"the runtime role {role} owns {owned} relations; only the owner role may")
    if rewritable:
        problems.append(f"the runtime role {role} may change append-only {', '.join(rewritable)}")
    if given:
        problems.append(f"the runtime role {role} may give itself rights by {', '.join(given)}")
    return problems
