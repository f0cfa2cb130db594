"""A provider's month: books in PostgreSQL, a settlement file, a bank's statement, what is planted.

Everything follows from the row's number, in SQL as the owner: the same rows each time. Of every
10,000 rows ten have a fault, one of each kind that a row can have; two payouts and two lines of the
bank have the others. One row in 500 names nothing and is found by its amount.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import psycopg

from kernel.money import Money
from payments.simulated_psp.statement_file import Line, Statement, written

# ruff: noqa: S608  (composed of fixed words and numbers of this file)

AS_OF: Final = datetime(2026, 11, 20, tzinfo=UTC)
ACCOUNT: Final = "PLAYBANK-1"
BANK: Final = "main"
PLAYERS: Final = 500
#: Rows of one payout.
PAYOUT: Final = 5_000
#: Fault by the row's number modulo 10,000.
FAULTS: Final = {
    "missing_at_psp": 11,
    "missing_in_ledger": 1_012,
    "amount": 2_013,
    "currency": 3_014,
    "duplicate": 4_016,
    "status": 5_017,
    "fee": 6_018,
    "fx": 7_019,
    "unbooked_chargeback": 8_021,
    "timing": 9_022,
}
BATCH_OFF: Final = 1
LINE_OFF: Final = 2
STRANGERS: Final = (1_111, 2_222)
#: What is planted where there are rows enough.
KINDS: Final = (*FAULTS, "batch_sum", "unmatched_bank_line")


@dataclass(frozen=True, slots=True)
class Month:
    """The files, how many rows there are, and what must be found: (kind, reference) → how often."""

    settlement: Path
    statement: Path
    ledger_rows: int
    psp_rows: int
    planted: Counter[tuple[str, str]]


_OPS: Final = """
CREATE UNLOGGED TABLE bench_op AS
SELECT i, CASE i % 10000 {cases} ELSE '' END AS fault,
    i % 10 = 3 AND i % 10000 NOT IN ({all}) AS is_out, i % 500 = 7 AS is_bare,
    CASE WHEN i % 500 = 7 THEN 100000000 + i ELSE 1000 + (i::bigint * 7919) % 90000 END AS minor,
    CASE WHEN i % 10000 = {timing} THEN timestamptz '{as_of}' - interval '6 hours'
        ELSE timestamptz '{as_of}' - interval '40 days' + i * interval '30 days' / {rows} END AS at,
    ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid AS payment,
    ('00000000-0000-8000-8000-' || lpad(to_hex(i), 12, '0'))::uuid AS transfer,
    'pay_' || lpad(i::text, 20, '0') AS ref
FROM generate_series(1, {rows}) AS i;
ANALYZE bench_op;
CREATE UNLOGGED TABLE bench_row AS
SELECT o.i, 0 AS nth, CASE WHEN is_out THEN 'payout_to_player' ELSE 'payment' END AS type,
    CASE WHEN is_bare THEN '' ELSE ref END AS ref,
    CASE WHEN is_bare THEN '' ELSE payment::text END AS merchant, '' AS dispute,
    CASE WHEN fault = 'currency' THEN 'USD' ELSE 'EUR' END AS currency,
    CASE WHEN fault IN ('currency', 'fx') THEN 'USD' ELSE 'EUR' END AS net_currency,
    CASE WHEN fault = 'fx' THEN '1.0300' ELSE '' END AS rate,
    CASE WHEN is_out THEN -minor WHEN fault = 'amount' THEN minor + 1 ELSE minor END AS gross,
    at + interval '2 seconds' AS at,
    CASE WHEN fault = 'status' THEN 'failed' ELSE 'settled' END AS status, fault
FROM bench_op o WHERE fault NOT IN ('missing_at_psp', 'timing');
INSERT INTO bench_row SELECT i, 1, type, ref, merchant, dispute, currency, net_currency, rate,
    gross,
    at, status, fault FROM bench_row WHERE fault = 'duplicate';
INSERT INTO bench_row SELECT i, 2, 'dispute', ref, '', 'dp_' || i, currency, net_currency, '',
    -gross,
    at, status, fault FROM bench_row WHERE fault = 'unbooked_chargeback';
CREATE UNLOGGED TABLE bench_file AS
SELECT r.*, CASE WHEN fault = 'fx' THEN round(gross * 1.03)::bigint ELSE gross END - fee AS net,
    CASE WHEN currency = 'EUR' AND net_currency = 'EUR' THEN 'po_' || (i / {payout}) ELSE '' END
        AS payout
FROM (SELECT r.*, CASE type WHEN 'payment' THEN CASE WHEN currency = 'USD'
            THEN (gross * 140 + 5000) / 10000 + 30 ELSE (gross * 140 + 5000) / 10000 + 25 END
        WHEN 'dispute' THEN 1500 ELSE 20 END + CASE WHEN fault = 'fee' THEN 5 ELSE 0 END AS fee
      FROM bench_row r) r;
INSERT INTO bench_file
SELECT max(i), 3, 'payout', 'tr_' || payout, '', '', 'EUR', 'EUR', '',
    -sum(net)::bigint - CASE WHEN payout = 'po_{batch_off}' THEN 10 ELSE 0 END,
    max(at) + interval '1 hour', 'settled', '', 0,
    -sum(net)::bigint - CASE WHEN payout = 'po_{batch_off}' THEN 10 ELSE 0 END, payout
FROM bench_file WHERE payout <> '' GROUP BY payout;
"""
_LEDGER: Final = """
CREATE TEMP TABLE legs AS
SELECT o.*, CASE WHEN is_out THEN other.held ELSE {clearing} END AS debit,
    CASE WHEN is_out THEN {clearing} ELSE other.cash END AS credit
FROM bench_op o JOIN bench_player other ON other.n = o.i % {players}
WHERE fault <> 'missing_in_ledger';
ANALYZE legs;
INSERT INTO ledger_batch (key, fingerprint, kind, actor, n, total, posted_at)
SELECT 'bench:' || i / 1000, sha256((i / 1000)::text::bytea), 'bench', 'system:bench', count(*),
    sum(minor), max(at) FROM legs GROUP BY i / 1000 ORDER BY i / 1000;
ANALYZE ledger_batch;
CREATE TEMP TABLE sides AS
SELECT i, amount < 0 AS is_debit, row_number() OVER w AS seq, sum(amount) OVER w AS after
FROM (SELECT debit AS account, i, -minor AS amount, at FROM legs
    UNION ALL SELECT credit, i, minor, at FROM legs) e
WINDOW w AS (PARTITION BY account ORDER BY at, i ROWS UNBOUNDED PRECEDING);
ANALYZE sides;
INSERT INTO ledger_transfer (id, batch, item, debit, credit, amount, kind, ref, permit, posted_at,
    debit_seq, debit_balance_after, credit_seq, credit_balance_after)
SELECT l.transfer, b.id, l.i % 1000 + 1, debit, credit, minor,
    CASE WHEN is_out THEN 'withdrawal_paid' ELSE 'deposit' END, 'payment:' || payment, payment, at,
    d.seq, d.after, c.seq, c.after
FROM legs l JOIN ledger_batch b ON b.key = 'bench:' || l.i / 1000
JOIN sides d ON d.i = l.i AND d.is_debit JOIN sides c ON c.i = l.i AND NOT c.is_debit;
INSERT INTO ledger_transfer_id SELECT id, batch, item FROM ledger_transfer;
UPDATE ledger_account a SET posted = e.posted, seq = e.seq FROM (
    SELECT account, sum(amount)::bigint AS posted, count(*) AS seq FROM ledger_entry
        GROUP BY account) e
WHERE e.account = a.id;
INSERT INTO payments_deposit (id, player_id, provider, provider_ref, key, amount_minor, currency,
    reason, polls, state, redirect_url, return_url, arrived_currency, created_at {deposit_more})
SELECT payment, i % {players} + 1, 'simulated', ref, payment::text, minor, 'EUR', '', 0,
    'succeeded',
    '', '', '', at {deposit_rest} FROM legs WHERE NOT is_out;
INSERT INTO payments_withdrawal (id, player_id, provider, provider_ref, key, amount_minor, currency,
    reason, polls, state, approved_by, request_id, created_at {withdrawal_more})
SELECT payment, i % {players} + 1, 'simulated', ref, payment::text, minor, 'EUR', '', 0, 'paid', '',
    payment, at {withdrawal_rest} FROM legs WHERE is_out;
"""
_MONEY: Final = (
    "CASE WHEN {0} < 0 THEN '-' ELSE '' END || abs({0}) / 100 || '.'"
    " || lpad((abs({0}) % 100)::text, 2, '0')"
)


def make(url: str, folder: Path, rows: int) -> Month:
    """Fill the books at ``url`` (as the owner) and write the two files into ``folder``."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("SET work_mem = '256MB'")
        values = {
            "cases": " ".join(f"WHEN {n} THEN '{name}'" for name, n in FAULTS.items()),
            "all": ", ".join(str(n) for n in FAULTS.values()),
            "timing": FAULTS["timing"],
            "as_of": AS_OF.isoformat(),
            "rows": rows,
            "payout": PAYOUT,
            "batch_off": BATCH_OFF,
        }
        db.execute(_OPS.format(**values))
        _book(db)
        settlement, statement = folder / "settlement.csv", folder / "statement.xml"
        psp_rows = _write_settlement(db, settlement)
        statement.write_bytes(_statement(db))
        (ledger_rows,) = _one(
            db, "SELECT count(*) FROM bench_op WHERE fault <> 'missing_in_ledger'"
        )
        planted = _planted(db)
        for table in ("ledger_transfer", "ledger_transfer_id", "payments_deposit"):
            db.execute(f"VACUUM ANALYZE {table}")
        db.execute("VACUUM ANALYZE payments_withdrawal")
    return Month(settlement, statement, ledger_rows, psp_rows, planted)


def _book(db: psycopg.Connection) -> None:
    clearing = _account(db, "psp_clearing", "psp:simulated")
    db.execute(
        "CREATE UNLOGGED TABLE bench_player AS SELECT n, "
        " max(o_id) FILTER (WHERE o_kind = 'player_cash') AS cash,"
        " max(o_id) FILTER (WHERE o_kind = 'player_held') AS held"
        " FROM generate_series(0, %(players)s - 1) AS n JOIN ledger_ensure_accounts("
        "  (SELECT array_agg(k ORDER BY k, n) FROM generate_series(1, %(players)s) AS n,"
        "   unnest(ARRAY['player_cash', 'player_held']) AS k),"
        "  (SELECT array_agg('player:' || n ORDER BY k, n)"
        "   FROM generate_series(1, %(players)s) AS n,"
        "   unnest(ARRAY['player_cash', 'player_held']) AS k),"
        "  array_fill('EUR'::text, ARRAY[2 * %(players)s])) ON o_owner = 'player:' || n + 1"
        " GROUP BY n",
        {"players": PLAYERS},
    )
    more = {}
    for table, known in (
        ("deposit", _known("payments_deposit")),
        ("withdrawal", _known("payments_withdrawal")),
    ):
        rest = _needed(db, f"payments_{table}") - known
        names = sorted(rest)
        more[f"{table}_more"] = "".join(f", {name}" for name in names)
        more[f"{table}_rest"] = "".join(
            ", 0" if name.endswith(("_minor", "part")) else ", ''" for name in names
        )
    # What the house keeps below nothing is not the matter here: people's money has no floor in it.
    db.execute("ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_floor")
    for statement in _LEDGER.format(clearing=clearing, players=PLAYERS, **more).split(";\n"):
        if statement.strip():
            began = perf_counter()
            db.execute(statement)
            if (took := perf_counter() - began) > 10:
                sys.stderr.write(f"  {took:.0f} s: {statement.strip()[:60]}\n")


def _known(table: str) -> set[str]:
    """The columns that the statements above name."""
    start = _LEDGER.index(f"INSERT INTO {table} (") + len(f"INSERT INTO {table} (")
    words = _LEDGER[start : _LEDGER.index("{", start)]
    return {word.strip() for word in words.split(",")}


def _needed(db: psycopg.Connection, table: str) -> set[str]:
    rows = db.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND attnotnull AND NOT atthasdef",
        [table],
    )
    return {row[0] for row in rows}


def _account(db: psycopg.Connection, kind: str, owner: str) -> int:
    return int(
        _one(
            db,
            "SELECT o_id FROM ledger_ensure_accounts(ARRAY[%s], ARRAY[%s], ARRAY['EUR'])",
            [kind, owner],
        )[0]
    )


def _write_settlement(db: psycopg.Connection, path: Path) -> int:
    """The provider's own file: a head, rows, and a control total per currency."""
    gross, fee, net = (_MONEY.format(name) for name in ("gross", "fee", "net"))
    instant = "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    select = f"""SELECT 'row_' || i || '_' || nth AS row_id, type, ref AS payment_ref,
        merchant AS merchant_reference, dispute AS dispute_ref, payout AS payout_id, currency,
        {gross} AS gross, {fee} AS fee, {net} AS net, net_currency, rate AS fx_rate,
        {instant} AS created_utc, {instant} AS settled_utc, status FROM bench_file ORDER BY at,
            i, nth"""
    count = 0
    with path.open("wb") as out:
        out.write(b"#file,simulated,2026-10-11T00:00:00Z,2026-11-18T00:00:00Z,1\n")
        with db.cursor().copy(f"COPY ({select}) TO STDOUT (FORMAT csv, HEADER)") as copy:
            for part in copy:
                out.write(part)
        for currency, rows, *sums in db.execute(
            "SELECT currency, count(*), sum(gross)::bigint, sum(fee)::bigint, sum(net)::bigint"
            " FROM bench_file GROUP BY currency ORDER BY currency"
        ).fetchall():
            amounts = ",".join(Money(minor, currency).decimal() for minor in sums)
            out.write(f"#total,{currency},{rows},{amounts}\n".encode())
            count += rows
    return count


def _statement(db: psycopg.Connection) -> bytes:
    lines = [
        Line(
            Money(-minor + (3 if payout == f"po_{LINE_OFF}" else 0), "EUR"),
            payout,
            "SIMULATED PSP",
            f"PAYOUT {payout}",
        )
        for payout, minor in db.execute(
            "SELECT payout, gross FROM bench_file WHERE type = 'payout' ORDER BY at, payout"
        ).fetchall()
    ]
    lines += [Line(Money(minor, "EUR"), "NONE", "SOMEBODY", "NO REASON") for minor in STRANGERS]
    at_ms = (int(AS_OF.timestamp()) - 4 * 86_400) * 1000
    return written(ACCOUNT, [Statement("EUR", 1, 0, lines)], at_ms=at_ms, number=1)


def _planted(db: psycopg.Connection) -> Counter[tuple[str, str]]:
    planted = Counter(
        (fault, ref)
        for fault, ref in db.execute("SELECT fault, ref FROM bench_op WHERE fault <> ''").fetchall()
    )
    payouts = {
        row[0]
        for row in db.execute("SELECT payout FROM bench_file WHERE type = 'payout'").fetchall()
    }
    planted.update(
        ("batch_sum", f"tr_po_{n}") for n in (BATCH_OFF, LINE_OFF) if f"po_{n}" in payouts
    )
    planted.update(("unmatched_bank_line", str(minor)) for minor in STRANGERS)
    return planted


def _one(db: psycopg.Connection, query: str, values: Any = None) -> tuple[Any, ...]:
    row = db.execute(query, values).fetchone()
    if row is None:
        raise SystemExit(f"bin/bench reconcile: no answer to {query[:60]}")
    return row
