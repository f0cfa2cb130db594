"""Breaks over all runs: what a run found becomes rows that stay, and what it found no more clears.

Only the newest run of its scope says how breaks stand: one about an earlier instant has a report
and changes nothing here.
"""

from __future__ import annotations

# ruff: noqa: S608  (composed of fixed words of this file; values are parameters)
from collections.abc import Iterator
from typing import Any, Final

from django.db import connection

from audit.locks import LockRank, lock_rows
from kernel.ids import Actor

#: What is copied of a break, in this order; ``facts`` is what a resolution holds to.
COLUMNS: Final = (
    *("id", "kind", "side", "provider", "currency", "category", "ledger_entry", "transfer_id"),
    *("payment_id", "psp_ref", "merchant_ref", "payout_id", "bank_ref", "psp_file", "psp_row"),
    *("bank_file", "bank_row", "ledger_minor", "psp_gross_minor", "psp_currency", "fee_minor"),
    *("net_minor", "bank_minor", "difference_minor", "status", "detail", "booked_at"),
    *("settled_at", "is_test", "facts_sha256", "beside"),
)
_LISTED: Final = ", ".join(COLUMNS)
_CHANGING: Final = [one for one in COLUMNS if one not in {"id", "kind", "provider"}]
#: A resolution of exactly what is found holds, also of a break that had cleared in between.
_STATE: Final = """CASE WHEN EXISTS (SELECT FROM payments_reconciliation_resolution r
    JOIN payments_reconciliation_decision d ON d.resolution_id = r.id AND d.decision = 'approved'
    WHERE r.break_id = f.id AND r.facts_sha256 = f.facts_sha256) THEN 'resolved' ELSE 'open' END"""

_STAGED: Final = f"""
CREATE TEMPORARY TABLE found_breaks ON COMMIT DROP AS
SELECT {_LISTED} FROM payments_reconciliation_break WHERE false
"""
#: Against the rows as they were; written when those that are new are there.
_EVENTS: Final = f"""
CREATE TEMPORARY TABLE found_events ON COMMIT DROP AS
SELECT f.id AS break_id, CASE WHEN b.id IS NULL THEN 'found'
        WHEN b.state = 'cleared' OR (b.state = 'resolved' AND f.state = 'open') THEN 'reopened'
        ELSE 'changed' END AS kind,
    jsonb_build_object('difference_minor', f.difference_minor, 'facts', f.facts_sha256) AS data
FROM (SELECT f.*, {_STATE} AS state FROM found_breaks f) f
LEFT JOIN payments_reconciliation_break b ON b.id = f.id
WHERE b.id IS NULL OR b.state = 'cleared' OR b.facts_sha256 <> f.facts_sha256
"""
_TELL: Final = """
INSERT INTO payments_reconciliation_break_event (id, break_id, kind, actor, run_id, data)
SELECT gen_random_uuid(), break_id, kind, %(actor)s, %(run)s, data FROM found_events
"""
_MERGE: Final = f"""
INSERT INTO payments_reconciliation_break AS b ({_LISTED}, state, first_run_id, last_run_id)
SELECT {", ".join(f"f.{one}" for one in COLUMNS)}, {_STATE}, %(run)s, %(run)s
FROM found_breaks f ORDER BY f.id
ON CONFLICT (id) DO UPDATE SET {", ".join(f"{one} = EXCLUDED.{one}" for one in _CHANGING)},
    state = EXCLUDED.state, last_run_id = EXCLUDED.last_run_id, cleared_run_id = NULL
"""
_GONE: Final = """
WITH gone AS (
    UPDATE payments_reconciliation_break b SET state = 'cleared', cleared_run_id = %(run)s
    WHERE b.state <> 'cleared' AND (%(provider)s = '' OR b.provider = %(provider)s)
        AND NOT EXISTS (SELECT FROM found_breaks f WHERE f.id = b.id)
    RETURNING b.id
)
INSERT INTO payments_reconciliation_break_event (id, break_id, kind, actor, run_id)
SELECT gen_random_uuid(), id, 'cleared', %(actor)s, %(run)s FROM gone
"""


def merge(
    run_id: str, provider: str, found: Iterator[list[tuple[Any, ...]]], actor: Actor
) -> dict[str, int]:
    """Take over what a run found, in batches of rows in `COLUMNS`; in the caller's transaction.
    Returns how many events of each kind came of it.

    New ones are open, or resolved where two people resolved exactly this; those that the run did
    not find are cleared. Locks all breaks that are not cleared, by id.
    """
    values = {"run": run_id, "provider": provider, "actor": str(actor)}
    lock_rows(
        LockRank.PAYMENT,
        "SELECT id FROM payments_reconciliation_break WHERE state <> 'cleared'"
        " ORDER BY id FOR NO KEY UPDATE",
    )
    with connection.cursor() as cursor:
        cursor.execute(_STAGED)
        with cursor.copy(f"COPY found_breaks ({_LISTED}) FROM STDIN") as copy:
            for part in found:
                for row in part:
                    copy.write_row(row)
        # Without it the planner takes the table for empty, and joins it row by row.
        cursor.execute("ANALYZE found_breaks")
        cursor.execute(_EVENTS)
        cursor.execute(_MERGE, values)
        cursor.execute(_TELL, values)
        cursor.execute("SELECT kind, count(*) FROM found_events GROUP BY kind")
        events: dict[str, int] = dict(cursor.fetchall())
        cursor.execute(_GONE, values)
        if cursor.rowcount:
            events["cleared"] = cursor.rowcount
        cursor.execute("DROP TABLE found_breaks, found_events")
    return dict(sorted(events.items()))
