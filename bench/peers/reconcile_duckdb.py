"""A reconciliation written by hand over DuckDB: the same classes from the same sources, no more.

`python reconcile_duckdb.py POSTGRES SETTLEMENT STATEMENT OUT`. Reads PostgreSQL and both files
itself, and writes breaks as CSV. It keeps nothing, checks no file, and knows this one format.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET  # the benchmark's own file

import duckdb
import psycopg

AS_OF = "TIMESTAMP '2026-11-20 00:00:00'"
LEDGER = """
SELECT e.seq, -e.amount, e.posted_at AT TIME ZONE 'UTC', e.kind, coalesce(d.id, w.id),
    coalesce(d.provider_ref, w.provider_ref)
FROM ledger_entry e
JOIN ledger_account a ON a.id = e.account AND a.kind = 'psp_clearing'
LEFT JOIN payments_deposit d ON d.id = substr(e.ref, 9)::uuid
LEFT JOIN payments_withdrawal w ON w.id = substr(e.ref, 9)::uuid
"""
STEPS = """
CREATE TABLE l AS SELECT seq, amount, booked, CASE kind WHEN 'deposit' THEN 'payment'
        ELSE 'payout_to_player' END AS type, payment, ref
    FROM read_csv($ledger, header = false, columns = {'seq': 'BIGINT', 'amount': 'BIGINT',
        'booked': 'TIMESTAMP', 'kind': 'VARCHAR', 'payment': 'UUID', 'ref': 'VARCHAR'});
CREATE TABLE p AS SELECT row_number() OVER () AS n, type, coalesce(payment_ref, '') AS ref,
    coalesce(merchant_reference, '') AS merchant, coalesce(payout_id, '') AS payout, currency,
    (gross * 100)::BIGINT AS gross, (fee * 100)::BIGINT AS fee, (net * 100)::BIGINT AS net,
    net_currency, created_utc AS booked, status
FROM read_csv($settlement, header = true, comment = '#', auto_detect = false, delim = ',',
    columns = {
    'row_id': 'VARCHAR', 'type': 'VARCHAR', 'payment_ref': 'VARCHAR',
    'merchant_reference': 'VARCHAR', 'dispute_ref': 'VARCHAR', 'payout_id': 'VARCHAR',
    'currency': 'VARCHAR', 'gross': 'DECIMAL(18,2)',
    'fee': 'DECIMAL(18,2)', 'net': 'DECIMAL(18,2)', 'net_currency': 'VARCHAR', 'fx_rate': 'VARCHAR',
    'created_utc': 'TIMESTAMP', 'settled_utc': 'TIMESTAMP', 'status': 'VARCHAR'});
CREATE TABLE pairs AS
SELECT seq, n FROM (
    SELECT l.seq, p.n, row_number() OVER (PARTITION BY l.seq ORDER BY p.n) AS nth
    FROM l JOIN p ON l.ref = p.ref AND l.type = p.type AND p.ref <> '') WHERE nth = 1;
INSERT INTO pairs
SELECT l.seq, p.n FROM l JOIN p ON l.payment = TRY_CAST(p.merchant AS UUID) AND l.type = p.type
WHERE l.seq NOT IN (SELECT seq FROM pairs) AND p.n NOT IN (SELECT n FROM pairs)
    AND (l.type, p.ref) NOT IN (SELECT (x.type, x.ref) FROM l x);
CREATE TABLE c AS
SELECT l.seq, p.n FROM l ANTI JOIN pairs USING (seq)
    JOIN (SELECT * FROM p ANTI JOIN pairs USING (n)) p
    ON l.type = p.type AND p.ref = '' AND p.currency = 'EUR' AND l.amount = p.gross
    AND p.booked BETWEEN l.booked - INTERVAL 3 DAY AND l.booked + INTERVAL 3 DAY;
INSERT INTO pairs SELECT seq, n FROM c
QUALIFY count(*) OVER (PARTITION BY seq) = 1 AND count(*) OVER (PARTITION BY n) = 1;
CREATE TABLE payouts AS
SELECT q.n, q.ref, q.payout, -q.gross AS paid, s.net AS rows_sum, b.amount AS got
FROM p q LEFT JOIN (SELECT payout, sum(net) AS net FROM p WHERE type <> 'payout' GROUP BY payout) s
    USING (payout)
LEFT JOIN bank b ON b.reference = q.payout
WHERE q.type = 'payout';
CREATE TABLE breaks AS
SELECT CASE WHEN l.booked >= {as_of} - INTERVAL 2 DAY THEN 'timing'
    ELSE 'missing_at_psp' END AS kind,
    ref, -amount AS difference FROM l ANTI JOIN pairs USING (seq)
UNION ALL
SELECT CASE WHEN type = 'dispute' THEN 'unbooked_chargeback'
    WHEN EXISTS (SELECT 1 FROM l WHERE l.ref = p.ref AND l.type = p.type) THEN 'duplicate'
    ELSE 'missing_in_ledger' END, ref, gross
FROM p ANTI JOIN pairs USING (n) WHERE type <> 'payout'
UNION ALL
SELECT CASE WHEN p.currency <> 'EUR' THEN 'currency' ELSE 'amount' END, p.ref, p.gross - l.amount
FROM pairs JOIN l USING (seq) JOIN p USING (n) WHERE p.currency <> 'EUR' OR l.amount <> p.gross
UNION ALL
SELECT 'status', p.ref, 0 FROM pairs JOIN p USING (n) WHERE p.status IN ('failed', 'pending')
UNION ALL
SELECT 'fee', ref, agreed - fee FROM (SELECT *, CASE type WHEN 'payment' THEN CASE currency
        WHEN 'USD' THEN (gross * 140 + 5000) // 10000 + 30
            ELSE (gross * 140 + 5000) // 10000 + 25 END
        WHEN 'dispute' THEN 1500 WHEN 'payout_to_player' THEN 20 ELSE fee END AS agreed FROM p
    WHERE currency = net_currency) WHERE abs(fee - agreed) > 1
UNION ALL
SELECT 'fx', ref, 0 FROM p WHERE currency <> net_currency
UNION ALL
SELECT 'batch_sum', ref, coalesce(got, 0) - paid FROM payouts WHERE rows_sum <> paid OR got <> paid
UNION ALL
SELECT 'missing_in_ledger', ref, -paid FROM payouts WHERE got IS NULL
UNION ALL
SELECT 'unmatched_bank_line', amount::VARCHAR, amount FROM bank
WHERE reference NOT IN (SELECT payout FROM payouts);
COPY (FROM breaks ORDER BY kind, ref, difference) TO '{out}' (HEADER);
"""


def bank_lines(path: Path) -> list[tuple[str, int]]:
    found = []
    for entry in ET.parse(path).getroot().findall(".//{*}Ntry"):  # noqa: S314  (made by the benchmark)
        minor = int((entry.findtext("{*}Amt") or "").replace(".", ""))
        sign = 1 if entry.findtext("{*}CdtDbtInd") == "CRDT" else -1
        said = (entry.findtext(".//{*}Ustrd") or "").removeprefix("PAYOUT ")
        found.append((said, sign * minor))
    return found


def main(url: str, settlement: str, statement: str, out: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.csv"
        with psycopg.connect(url) as db, ledger.open("wb") as file:
            db.execute("SET jit = off")
            db.execute("SET work_mem = '128MB'")
            with db.cursor().copy(f"COPY ({LEDGER}) TO STDOUT (FORMAT csv)") as copy:
                for part in copy:
                    file.write(part)
        engine = duckdb.connect(config={"threads": "2"})
        engine.execute("CREATE TABLE bank (reference VARCHAR, amount BIGINT)")
        engine.executemany("INSERT INTO bank VALUES (?, ?)", bank_lines(Path(statement)))
        values = {"ledger": str(ledger), "settlement": settlement}
        for step in STEPS.replace("{as_of}", AS_OF).replace("{out}", out).split(";\n"):
            if step.strip():
                used = {name: value for name, value in values.items() if f"${name}" in step}
                engine.execute(step, used or None)


if __name__ == "__main__":
    main(*sys.argv[1:])
