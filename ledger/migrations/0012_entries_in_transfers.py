"""Both entries of a transfer stand in its own row; ``ledger_entry`` is a view over them."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations

from audit.append_only import definer_only_sql, partitions_sql, protect_sql, runtime_role

SQL = Path(__file__).resolve().parent.parent / "sql"


def script(name: str) -> str:
    return (SQL / name).read_text().replace(":runtime_role", runtime_role())


def part(name: str, first: str, until: str = "") -> str:
    """What stands in a script from the words ``first`` until the words ``until``."""
    _, found, rest = script(name).partition(first)
    return found + (rest.partition(until)[0] if until else rest)


FORWARD = "\n".join(
    [
        script("0014_entries_in_transfers.sql"),
        partitions_sql("ledger_transfer"),
        protect_sql("ledger_transfer", insert=False),
        definer_only_sql("ledger_entry"),
        definer_only_sql("ledger_entry_line"),
        # The rows come last, when every month and the guards are there as for any other row.
        """
        INSERT INTO ledger_transfer
            (id, batch, item, debit, credit, amount, kind, ref, permit, debit_seq,
            debit_balance_after, credit_seq, credit_balance_after, posted_at)
        SELECT id, batch, item, debit, credit, amount, kind, ref, permit, debit_seq,
            debit_balance_after, credit_seq, credit_balance_after, posted_at
        FROM moved_transfer ORDER BY batch, item;
        DROP TABLE moved_transfer;
        """,
    ]
)

#: Tables and functions as they were, out of the scripts that made them.
BACK = "\n".join(
    [
        """
        LOCK TABLE ledger_transfer IN ACCESS EXCLUSIVE MODE;
        CREATE TEMPORARY TABLE moved_transfer ON COMMIT DROP AS SELECT * FROM ledger_transfer;
        CREATE TEMPORARY TABLE moved_entry ON COMMIT DROP AS SELECT * FROM ledger_entry;
        DROP VIEW ledger_entry_line;
        DROP VIEW ledger_entry;
        DROP TABLE ledger_transfer;
        DROP FUNCTION ledger_sides(bigint[], bigint[], bigint[], smallint[]);
        DROP FUNCTION ledger_write(
            ledger_batch, uuid[], bigint[], bigint[], bigint[], text[], text[], uuid[], smallint[],
            bigint[], bigint[], bigint[], bigint[]);
        """,
        part("0001_tables.sql", "CREATE TABLE ledger_transfer (", "-- What the gate allowed."),
        part("0001_tables.sql", "-- Each transfer's entries", "-- Who an account belongs to"),
        part("0001_tables.sql", "-- Entries with a key of one column"),
        part("0002_posting.sql", "-- Step 5: the rows.").replace(
            "CREATE FUNCTION ledger_post", "CREATE OR REPLACE FUNCTION ledger_post"
        ),
        part("0008_probes.sql", "CREATE OR REPLACE FUNCTION ledger_entries("),
        f"""
        REVOKE ALL ON FUNCTION
            ledger_entries(bigint[], bigint[], bigint[], smallint[]),
            ledger_write(ledger_batch, uuid[], bigint[], bigint[], bigint[], text[], text[],
                uuid[], smallint[], bigint[], bigint[], integer[], bigint[], bigint[])
        FROM PUBLIC, {runtime_role()};
        """,
        *[partitions_sql(table) for table in ("ledger_transfer", "ledger_entry")],
        *[protect_sql(table, insert=False) for table in ("ledger_transfer", "ledger_entry")],
        definer_only_sql("ledger_entry_line"),
        """
        INSERT INTO ledger_transfer
            (id, batch, item, debit, credit, amount, kind, ref, permit, posted_at)
        SELECT id, batch, item, debit, credit, amount, kind, ref, permit, posted_at
        FROM moved_transfer ORDER BY batch, item;
        INSERT INTO ledger_entry (account, seq, transfer, amount, balance_after, posted_at)
        SELECT account, seq, transfer, amount, balance_after, posted_at
        FROM moved_entry ORDER BY batch, item, amount;
        DROP TABLE moved_transfer, moved_entry;
        """,
    ]
)


class Migration(migrations.Migration):
    """Writes every transfer again, once, while nobody may post (docs/operations.md)."""

    dependencies: ClassVar = [("ledger", "0011_disputes")]
    operations: ClassVar = [migrations.RunSQL(FORWARD, BACK)]
