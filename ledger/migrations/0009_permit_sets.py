"""What one call of the gate permits is one row for each purpose and currency, not one for each."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

from audit.append_only import definer_only_sql, partitions_sql, protect_sql, runtime_role

SQL = Path(__file__).resolve().parent.parent / "sql"


def script(name: str) -> str:
    return (SQL / name).read_text().replace(":runtime_role", runtime_role())


FORWARD = "\n".join(
    [
        script("0011_permit_sets.sql"),
        partitions_sql("ledger_permit_set"),
        protect_sql("ledger_permit_set", insert=False),
        definer_only_sql("ledger_permit_line"),
    ]
)

#: The functions as they were: 0008 and 0010 say nothing but what they are.
BACK = "\n".join(
    [
        """
        INSERT INTO ledger_permit (id, owner_ref, purpose, currency, amount_minor_max, xid, issued_at)
        SELECT u.id, u.owner_ref, s.purpose, s.currency, u.amount, s.xid, s.issued_at
        FROM ledger_permit_set s
        CROSS JOIN LATERAL unnest(s.ids, s.owner_refs, s.amounts_minor_max)
            AS u (id, owner_ref, amount);
        DROP VIEW ledger_permit_line;
        """,
        script("0008_probes.sql"),
        script("0010_closed_routes.sql"),
        """
        CREATE OR REPLACE FUNCTION ledger_issue_permits(
            p_ids uuid[], p_owners text[], p_purposes text[], p_currencies text[],
            p_amounts bigint[]
        ) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        BEGIN
            INSERT INTO ledger_permit (id, owner_ref, purpose, currency, amount_minor_max)
            SELECT * FROM unnest(p_ids, p_owners, p_purposes, p_currencies, p_amounts);
        END $$;
        DROP FUNCTION ledger_open_permits();
        DROP TABLE ledger_permit_set;
        """,
    ]
)


class Migration(migrations.Migration):
    """Permits that were rows of their own stay so; the way back makes rows of all of them."""

    dependencies: ClassVar = [("ledger", "0008_closed_routes")]
    operations: ClassVar = [migrations.RunSQL(FORWARD, BACK)]
