"""Append-only tables and monthly partitions, as SQL for migrations.

The two habits every record-keeping table of Faro shares: rows never change (triggers refuse it,
whoever asks), and the table is partitioned by month from its first day, so that old months can be
detached and archived. Lives here because every app that keeps records stands above `audit`.
"""

from __future__ import annotations

import re
from typing import Final

from django.conf import settings

#: The first month that gets its own partition. Earlier rows (there are none) would land in default.
FIRST_MONTH: Final = "2026-01-01"
#: Partitions made ahead at migration; the `partitions` job keeps extending them.
MONTHS_AHEAD: Final = 36

#: Installed once by audit's first migration; every function has its own search path, `pg_temp`
#: last, so that a temporary object can never stand in for a real one.
FUNCTIONS_SQL: Final = """
CREATE FUNCTION audit_refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'append_only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION audit_close_partition(part text, runtime_role text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, %I', part, runtime_role);
    EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %I
        FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()', part);
END $$;

CREATE FUNCTION audit_make_month_partitions(
    parent text, from_month date, months integer, runtime_role text
) RETURNS integer LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    month date := date_trunc('month', from_month)::date;
    part text;
    made integer := 0;
BEGIN
    FOR i IN 1..months LOOP
        part := format('%s_%s', parent, to_char(month, 'YYYY_MM'));
        IF to_regclass(part) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                part, parent, month::timestamp AT TIME ZONE 'UTC',
                (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
            PERFORM audit_close_partition(part, runtime_role);
            made := made + 1;
        END IF;
        month := (month + interval '1 month')::date;
    END LOOP;
    RETURN made;
END $$;

REVOKE ALL ON FUNCTION audit_close_partition(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_make_month_partitions(text, date, integer, text) FROM PUBLIC;
"""

FUNCTIONS_REVERSE_SQL: Final = """
DROP FUNCTION audit_make_month_partitions(text, date, integer, text);
DROP FUNCTION audit_close_partition(text, text);
DROP FUNCTION audit_refuse_change();
"""


def runtime_role() -> str:
    """The role the processes run under, for GRANT and REVOKE in migrations (unquoted)."""
    name = settings.DATABASE_RUNTIME_ROLE
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
        raise ValueError(f"DATABASE_URL names no plain lower-case role to grant to: {name!r}")
    return str(name)


def partitions_sql(table: str) -> str:
    """Monthly partitions from ``FIRST_MONTH`` for ``MONTHS_AHEAD`` months, and a default one.

    The runtime role has no right on a partition itself, only on the parent. The default partition
    means that a forgotten job never refuses a row.
    """
    role = runtime_role()
    return f"""
SELECT audit_make_month_partitions('{table}', DATE '{FIRST_MONTH}', {MONTHS_AHEAD}, '{role}');
CREATE TABLE {table}_default PARTITION OF {table} DEFAULT;
SELECT audit_close_partition('{table}_default', '{role}');
"""


def protect_sql(table: str, *, insert: bool = True) -> str:
    """Refuse UPDATE, DELETE and TRUNCATE on ``table`` to everybody; grant the runtime role reading.

    ``insert`` says whether the runtime role may add rows itself; ``False`` where rows come only
    from a SECURITY DEFINER function. Row triggers on a partitioned parent reach every partition;
    TRUNCATE triggers do not, so each partition gets its own when it is made.
    """
    rights = "SELECT, INSERT" if insert else "SELECT"
    return f"""
CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
REVOKE ALL ON {table} FROM PUBLIC, {runtime_role()};
GRANT {rights} ON {table} TO {runtime_role()};
"""


def definer_only_sql(table: str) -> str:
    """The runtime role may read ``table``; only a SECURITY DEFINER function writes it."""
    role = runtime_role()
    return f"REVOKE ALL ON {table} FROM PUBLIC, {role};\nGRANT SELECT ON {table} TO {role};\n"
