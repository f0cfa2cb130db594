"""The stages of matching as SQL over DuckDB, pure text. `matching` runs them, in this order.

Tables are temporary ones: they stay in memory while there is room, and pass through no log.
Everything is an integer where it can be. ``l`` are items of the ledger, ``p`` rows of providers,
``b`` lines of banks, each under an id that follows from where it stands: so the order of rows in
memory decides nothing. Amounts are seen from our clearing account: money towards us is positive.
"""

from __future__ import annotations

# ruff: noqa: S608  (composed of fixed words of this file; values are parameters)
from collections.abc import Mapping
from typing import Final

from payments.reconciliation.policy import CATEGORIES

#: Categories by number; refunds and withdrawals are one class, since a provider may call money that
#: goes back to a card either.
CAT: Final = {name: number for number, name in enumerate(CATEGORIES)}
_CLASS: Final = f"CASE {{cat}} WHEN {CAT['withdrawal']} THEN {CAT['refund']} ELSE {{cat}} END"
#: What a provider's row moves besides its fee, except what it pays to us.
MAIN: Final = f"cat NOT IN ({CAT['fee']}, {CAT['payout']})"
#: Rows of a file, and entries of an account, lie far apart from those of the next.
ROWS_MAX: Final = 1 << 32
ENTRIES_MAX: Final = 1 << 40

#: What is copied of the ledger, column by column: entries, and the payments that they were for.
_ENTRY: Final = {
    "place": "INTEGER",
    "seq": "BIGINT",
    "transfer": "UUID",
    "amount": "BIGINT",
    "booked_at": "TIMESTAMP",
    "kind": "VARCHAR",
    "ref": "VARCHAR",
    "batch": "BIGINT",
    "dispute": "VARCHAR",
}
_PAYMENT: Final = {
    "id": "UUID",
    "is_deposit": "BOOLEAN",
    "source": "UUID",
    "ref": "VARCHAR",
    "is_test": "BOOLEAN",
}


def _copied(columns: Mapping[str, str]) -> str:
    typed = ", ".join(f"'{name}': '{type_}'" for name, type_ in columns.items())
    return f"""read_csv($path, header = false, auto_detect = false, delim = ',', quote = '"',
    escape = '"', columns = {{{typed}}})"""


#: An entry refers to a payment, or to the row of a file that it was booked for.
ENTRIES: Final = f"""
CREATE TEMP TABLE entries AS
SELECT place, seq, transfer, amount, booked_at, kind, batch, dispute,
    CASE WHEN starts_with(ref, 'psp-row:') THEN nullif(substr(ref, 9), '') END AS own,
    CASE WHEN starts_with(ref, 'payment:') AND length(ref) = 44 THEN substr(ref, 9)::UUID END
        AS payment
FROM {_copied(_ENTRY)}"""
PAYMENTS_TABLE: Final = f"""CREATE TEMP TABLE payments ({
    ", ".join(f"{name} {type_}" for name, type_ in _PAYMENT.items())
})"""
PAYMENTS: Final = f"INSERT INTO payments FROM {_copied(_PAYMENT)}"
OF_PAYMENTS: Final = "SELECT count(payment) FROM entries"
#: Payments that are named and were not copied yet, in one order, so that the same are asked for.
UNKNOWN: Final = """SELECT DISTINCT payment FROM entries
ANTI JOIN payments p ON p.id = entries.payment WHERE payment IS NOT NULL ORDER BY payment"""
UNKNOWN_SOURCES: Final = """SELECT DISTINCT w.source FROM payments w
SEMI JOIN entries e ON e.payment = w.id ANTI JOIN payments p ON p.id = w.source
WHERE w.source IS NOT NULL ORDER BY w.source"""
LEDGER_COLUMNS: Final = (
    *("place", "seq", "transfer", "amount", "booked_at", "kind", "own", "batch"),
    *("payment_id", "alt_payment", "ref", "alt_ref", "is_test"),
)
#: A dispute has a name of its own at the provider, beside that of the deposit.
LEDGER_ROWS: Final = (
    """CREATE TEMP TABLE ledger_rows AS
SELECT e.place, e.seq, e.transfer, e.amount, e.booked_at, e.kind, e.own, e.batch,
    p.id AS payment_id, s.id AS alt_payment,
    CASE WHEN e.kind IN ('dispute', 'chargeback') THEN e.dispute ELSE p.ref END AS ref,
    CASE WHEN e.kind NOT IN ('dispute', 'chargeback') THEN s.ref
        WHEN p.is_deposit THEN p.ref END AS alt_ref,
    coalesce(p.is_test, false) AS is_test
FROM entries e LEFT JOIN payments p ON p.id = e.payment
LEFT JOIN payments s ON s.id = p.source AND s.is_deposit""",
    "DROP TABLE entries",
    "DROP TABLE payments",
)
#: Of the entries in whatever order: they differ in account and sequence, so none cancels another.
DIGEST: Final = f"""
SELECT count(*), coalesce(bit_xor(h), 0)::VARCHAR || '-' || coalesce(sum(h), 0)::VARCHAR
FROM (SELECT hash({", ".join(LEDGER_COLUMNS)}) AS h FROM ledger_rows)"""
TABLES: Final = """
CREATE TEMP TABLE places (place INTEGER, provider_no INTEGER, provider VARCHAR, currency VARCHAR,
    scale INTEGER, first_from TIMESTAMP);
CREATE TEMP TABLE cats (cat INTEGER, category VARCHAR, days INTEGER);
CREATE TEMP TABLE files (file_no INTEGER, sha256 VARCHAR, source VARCHAR, path VARCHAR,
    kind VARCHAR, is_loaded BOOLEAN);
CREATE TEMP TABLE fee_contracts (provider VARCHAR, cat INTEGER, currency VARCHAR, ppm BIGINT,
    fixed_minor BIGINT);
CREATE TEMP TABLE rates (provider VARCHAR, sold VARCHAR, bought VARCHAR, rate VARCHAR, ppm BIGINT);
CREATE TEMP TABLE banks (bank VARCHAR, provider VARCHAR);
CREATE TEMP TABLE known_rows (sha256 VARCHAR, row_no BIGINT);
CREATE TEMP TABLE known_transfers (transfer UUID);
CREATE TEMP TABLE known_payouts (provider VARCHAR, payout_id VARCHAR);
CREATE TEMP TABLE carried_rows (sha256 VARCHAR, row_no BIGINT);
CREATE TEMP TABLE carried_payouts (provider VARCHAR, payout_id VARCHAR);
CREATE TEMP TABLE resolved (break_id VARCHAR, facts VARCHAR, adjustment UUID);
"""

_LEDGER_CAT: Final = f"""CASE kind
    WHEN 'deposit' THEN {CAT["deposit"]} WHEN 'deposit_reversal' THEN {CAT["refund"]}
    WHEN 'suspense' THEN CASE WHEN amount > 0 THEN {CAT["deposit"]} ELSE {CAT["refund"]} END
    WHEN 'withdrawal_paid' THEN {CAT["withdrawal"]}
    WHEN 'withdrawal_returned' THEN {CAT["withdrawal_return"]}
    WHEN 'dispute' THEN CASE WHEN amount < 0 THEN {CAT["chargeback"]}
        ELSE {CAT["chargeback_return"]} END
    WHEN 'chargeback' THEN CASE WHEN amount < 0 THEN {CAT["chargeback"]}
        ELSE {CAT["chargeback_return"]} END
    WHEN 'psp_fee' THEN {CAT["fee"]} WHEN 'psp_settlement' THEN {CAT["payout"]}
    WHEN 'adjustment' THEN {CAT["adjustment"]} ELSE {CAT["other"]} END"""

#: Items of the ledger, and those of the days before the first file, which only are partners: what
#: was booked just before it may be in it. What one event booked in several legs (taken from the
#: player, and owed) is one item.
LEDGER: Final = f"""
CREATE TEMP TABLE l AS
WITH raw AS (
    SELECT r.place::BIGINT * {ENTRIES_MAX} + r.seq AS id, r.place, s.provider_no, r.amount,
        r.booked_at, r.transfer, r.kind, r.own, r.batch, r.payment_id, r.alt_payment, r.ref,
        r.alt_ref, r.is_test, ({_LEDGER_CAT})::TINYINT AS cat
    FROM ledger_rows r JOIN places s ON s.place = r.place
    WHERE r.booked_at >= s.first_from
    UNION ALL
    SELECT DISTINCT r.place::BIGINT * {ENTRIES_MAX} + r.seq, r.place, s.provider_no, r.amount,
        r.booked_at, r.transfer, r.kind, r.own, r.batch, r.payment_id, r.alt_payment, r.ref,
        r.alt_ref, r.is_test, ({_LEDGER_CAT})::TINYINT
    FROM ledger_rows r JOIN places s ON s.place = r.place
    WHERE r.booked_at < s.first_from AND r.booked_at >= s.first_from - to_days($margin_days)
)
SELECT id, place, provider_no, cat, ({_CLASS.format(cat="cat")})::TINYINT AS class, amount,
    booked_at, transfer, own, payment_id, alt_payment, ref, alt_ref, is_test
FROM raw WHERE kind NOT IN ('deposit_reversal', 'chargeback')
UNION ALL
SELECT min(id), place, provider_no, cat, ({_CLASS.format(cat="cat")})::TINYINT, sum(amount)::BIGINT,
    min(booked_at), arg_min(transfer, id), '', payment_id, any_value(alt_payment), any_value(ref),
    any_value(alt_ref), bool_or(is_test)
FROM raw WHERE kind IN ('deposit_reversal', 'chargeback')
GROUP BY place, provider_no, cat, batch, payment_id;
"""

#: Rows that a later one takes the place of: not final then, and final now, by the same reference
#: over the same amount. They count on no side.
SUPERSEDED: Final = f"""
CREATE TEMP TABLE not_final AS
SELECT f.source, r.currency, r.category, r.psp_ref, coalesce(r.dispute_ref, '') AS dispute_ref,
    r.gross_minor, f.file_no::BIGINT * {ROWS_MAX} + r.row_no AS id
FROM read_parquet($paths, filename = true) r JOIN files f ON f.path = r.filename
WHERE r.booked_at < $as_of AND r.psp_ref <> ''
    AND lower(r.status) IN (SELECT unnest($not_final::VARCHAR[]));
"""
SUPERSEDED_BY: Final = f"""
INSERT INTO superseded
SELECT DISTINCT n.id FROM read_parquet($paths, filename = true) r
JOIN files f ON f.path = r.filename
JOIN not_final n ON n.source = f.source AND n.currency = r.currency AND n.category = r.category
    AND n.psp_ref = r.psp_ref AND n.dispute_ref = coalesce(r.dispute_ref, '')
    AND n.gross_minor = r.gross_minor AND n.id < f.file_no::BIGINT * {ROWS_MAX} + r.row_no
WHERE r.booked_at < $as_of
    AND coalesce(lower(r.status), '') NOT IN (SELECT unnest($not_final::VARCHAR[]));
"""
_PROVIDERS: Final = f"""
SELECT f.file_no::BIGINT * {ROWS_MAX} + r.row_no AS id, s.place, s.provider_no,
    c.cat::TINYINT AS cat, ({_CLASS.format(cat="c.cat")})::TINYINT AS class,
    CASE WHEN c.cat IN ({CAT["chargeback"]}, {CAT["chargeback_return"]}) AND r.dispute_ref <> ''
        THEN r.dispute_ref ELSE coalesce(r.psp_ref, '') END AS ref,
    coalesce(r.psp_ref, '') AS psp_ref, coalesce(r.merchant_ref, '') AS merchant_ref,
    coalesce(r.payout_id, '') AS payout_id, r.gross_minor AS amount, r.fee_minor AS fee,
    r.net_minor AS net, n.place AS net_place, coalesce(r.fx_rate, '') AS fx_rate, r.booked_at,
    r.settled_at, coalesce(r.status, '') AS status
FROM read_parquet($paths, filename = true) r
JOIN files f ON f.path = r.filename
JOIN places s ON s.provider = f.source AND s.currency = r.currency
JOIN places n ON n.provider = f.source AND n.currency = r.net_currency
JOIN cats c ON c.category = r.category
WHERE r.booked_at < $as_of
    AND f.file_no::BIGINT * {ROWS_MAX} + r.row_no NOT IN (SELECT id FROM superseded)"""
#: Rows that are carried along from files that are not looked at whole any more.
_CARRIED: Final = (
    "(f.sha256, r.row_no) IN (SELECT (sha256, row_no) FROM carried_rows) AND NOT f.is_loaded"
)
PROVIDERS: Final = f"INSERT INTO p {_PROVIDERS};\n"
#: Rows of whatever file that name what was booked before the first one: they stay its partners.
EARLY: Final = """
CREATE TEMP TABLE early AS
SELECT l.* FROM l JOIN places s ON s.place = l.place WHERE l.booked_at < s.first_from;
"""
EARLY_PROVIDERS: Final = f"""
INSERT INTO p {_PROVIDERS} AND NOT f.is_loaded
    AND (f.sha256, r.row_no) NOT IN (SELECT (sha256, row_no) FROM carried_rows)
    AND (r.psp_ref IN (SELECT ref FROM early WHERE ref <> '')
        OR TRY_CAST(r.merchant_ref AS UUID) IN (SELECT payment_id FROM early
            WHERE payment_id IS NOT NULL));
"""
OLD_PROVIDERS: Final = f"INSERT INTO p {_PROVIDERS} AND {_CARRIED};\n"
PROVIDER_TABLES: Final = """
CREATE TEMP TABLE p (id BIGINT, place INTEGER, provider_no INTEGER, cat TINYINT, class TINYINT,
    ref VARCHAR, psp_ref VARCHAR, merchant_ref VARCHAR, payout_id VARCHAR, amount BIGINT,
        fee BIGINT,
    net BIGINT, net_place INTEGER, fx_rate VARCHAR, booked_at TIMESTAMP, settled_at TIMESTAMP,
    status VARCHAR);
CREATE TEMP TABLE superseded (id BIGINT);
"""
_BANK: Final = f"""
SELECT f.file_no::BIGINT * {ROWS_MAX} + r.row_no AS id, f.source AS bank, r.currency,
    r.amount_minor AS amount, r.booked_on::TIMESTAMP AS booked_at, coalesce(r.bank_ref,
        '') AS bank_ref,
    concat_ws(' ', r.end_to_end_id, r.batch_ref, r.bank_ref, r.remittance) AS said
FROM read_parquet($paths, filename = true) r JOIN files f ON f.path = r.filename
WHERE r.status = 'BOOK' AND r.booked_on < $as_of"""
BANK: Final = f"INSERT INTO b {_BANK};\n"
OLD_BANK: Final = f"INSERT INTO b {_BANK} AND {_CARRIED};\n"
BANK_TABLE: Final = """
CREATE TEMP TABLE b (id BIGINT, bank VARCHAR, currency VARCHAR, amount BIGINT, booked_at TIMESTAMP,
    bank_ref VARCHAR, said VARCHAR);
"""

PAIRS: Final = """
CREATE TEMP TABLE pairs (lid BIGINT, pid BIGINT, stage TINYINT);
CREATE TEMP TABLE more (lid BIGINT, pid BIGINT, stage TINYINT);
"""

#: One stage: candidates that agree in {on}; where several agree in the same, the first goes with
#: the first. Those who agree are a complete group, so the smallest row names it.
STAGE: Final = f"""
CREATE OR REPLACE TEMP TABLE c AS
SELECT l.id AS lid, p.id AS pid FROM {{left}} l JOIN {{right}} p
    ON l.class = p.class AND l.provider_no = p.provider_no AND {{on}}
WHERE p.{MAIN} AND l.{MAIN};
CREATE OR REPLACE TEMP TABLE multi AS
SELECT lid FROM c GROUP BY lid HAVING count(*) > 1
UNION
SELECT lid FROM c WHERE pid IN (SELECT pid FROM c GROUP BY pid HAVING count(*) > 1);
INSERT INTO {{into}} SELECT lid, pid, {{stage}} FROM c WHERE lid NOT IN (SELECT lid FROM multi);
INSERT INTO {{into}}
SELECT lid, pid, {{stage}} FROM (
    SELECT lid, pid, dense_rank() OVER (PARTITION BY g ORDER BY lid) AS rl,
        dense_rank() OVER (PARTITION BY g ORDER BY pid) AS rp
    FROM (SELECT lid, pid, min(pid) OVER (PARTITION BY lid) AS g FROM c
          WHERE lid IN (SELECT lid FROM multi)))
WHERE rl = rp;
"""
#: What is left on both sides after the first stage, which pairs nearly all; what the later ones
#: pair
#: is kept beside, so that what is left of the rest is looked for in little.
REST: Final = """
CREATE TEMP TABLE l_rest AS SELECT * FROM l ANTI JOIN pairs ON pairs.lid = l.id;
CREATE TEMP TABLE p_rest AS
SELECT *, TRY_CAST(merchant_ref AS UUID) AS merchant FROM p ANTI JOIN pairs ON pairs.pid = p.id;
CREATE TEMP VIEW lr AS SELECT * FROM l_rest ANTI JOIN more ON more.lid = l_rest.id;
CREATE TEMP VIEW pr AS SELECT * FROM p_rest ANTI JOIN more ON more.pid = p_rest.id;
"""
DONE: Final = "INSERT INTO pairs SELECT * FROM more;"
SAME: Final = "l.place = p.place AND l.amount = p.amount"
BY_REF: Final = "l.ref = p.ref AND p.ref <> ''"
#: (stage of the topic, what must agree): by reference with the same amount, then whatever amount.
LATER_STAGES: Final = tuple(
    (stage, f"{refs} AND {SAME}" if same else refs)
    for same in (True, False)
    for stage, refs in (
        (1, BY_REF),
        (1, "l.alt_ref = p.psp_ref AND p.psp_ref <> ''"),
        (2, "l.payment_id = p.merchant"),
        (2, "l.alt_payment = p.merchant"),
    )
)

#: Stage 3, for rows that name nothing: the one candidate on the other side within so many days,
#: looked for from both sides. A window over both, so that many equal amounts cost no more.
BY_AMOUNT: Final = """
INSERT INTO more
WITH s AS (
    SELECT place, class, amount, booked_at, id AS lid, NULL::BIGINT AS pid
    FROM lr ANTI JOIN early USING (id)
    UNION ALL
    SELECT place, class, amount, booked_at, NULL, id FROM pr WHERE ref = '' AND merchant IS NULL
), n AS (
    SELECT lid, pid, count(lid) OVER w AS ls, count(pid) OVER w AS ps, max(lid) OVER w AS l_one,
        max(pid) OVER w AS p_one
    FROM s WHERE {main}
    WINDOW w AS (PARTITION BY place, class, amount ORDER BY booked_at
        RANGE BETWEEN INTERVAL {days} DAY PRECEDING AND INTERVAL {days} DAY FOLLOWING)
)
SELECT a.lid, a.p_one, 3 FROM n a JOIN n z ON z.pid = a.p_one
WHERE a.lid IS NOT NULL AND a.ps = 1 AND z.ls = 1 AND z.l_one = a.lid;
""".replace("{main}", MAIN.replace("cat", "class"))
