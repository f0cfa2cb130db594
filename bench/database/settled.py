"""A day of a provider for benchmarks: deposits in the books, and the provider's file of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg

from payments.simulated_psp import settlement_file
from payments.simulated_psp.fees import fee_minor

#: Amounts go round, so that many are alike.
_MADE: Final = """
CREATE TEMPORARY TABLE made ON COMMIT DROP AS
SELECT n, md5('transfer' || n)::uuid AS transfer, md5('payment' || n)::uuid AS payment,
  'pay_' || n AS ref, 1000 + n % 9000 * 10 AS minor,
  date_trunc('day', now()) - interval '1 day' + n * interval '10 milliseconds' AS at
FROM generate_series(1, {count}::bigint) n
"""
_BOOKS: Final = (
    "INSERT INTO ledger_batch (id, key, fingerprint, kind, actor, n, total, posted_at)"
    " OVERRIDING SYSTEM VALUE SELECT 1000000000 + n, 'bench:' || n, sha256(ref::bytea), 'deposit',"
    " 'system:bench', 1, minor, at FROM made",
    "INSERT INTO ledger_transfer_id SELECT transfer, 1000000000 + n, 1 FROM made",
    "INSERT INTO ledger_transfer (id, batch, item, debit, credit, amount, kind, ref, permit,"
    " posted_at, debit_seq, debit_balance_after, credit_seq, credit_balance_after)"
    " SELECT transfer, 1000000000 + n, 1, {clearing}, {cash}, minor, 'deposit',"
    " 'payment:' || payment, payment, at, n, -sum(minor) OVER w, n, sum(minor) OVER w"
    " FROM made WINDOW w AS (ORDER BY n)",
    "UPDATE ledger_account a SET seq = e.seq, posted = e.posted FROM (SELECT account, max(seq) AS"
    " seq, sum(amount) AS posted FROM ledger_entry GROUP BY 1) e WHERE e.account = a.id",
    "INSERT INTO payments_deposit (id, player_id, provider, provider_ref, key, amount_minor,"
    " currency, reason, polls, state, redirect_url, return_url, arrived_currency, fee_currency,"
    " refunded_minor, reversed_minor, case_reference) SELECT payment, 1, 'simulated', ref, ref,"
    " minor, 'EUR', '', 0, 'succeeded', '', '', '', '', 0, 0, '' FROM made",
)
_LINES: Final = "SELECT n, ref, payment, minor, at AT TIME ZONE 'UTC' FROM made ORDER BY n"
_ACCOUNT: Final = "SELECT o_id FROM ledger_ensure_accounts(ARRAY[%s], ARRAY[%s], ARRAY['EUR'])"


def settle(owner_url: str, count: int, place: Path) -> None:
    """Book ``count`` deposits of yesterday and write the provider's file of them to ``place``."""
    with psycopg.connect(owner_url) as db:
        accounts = {
            name: db.execute(_ACCOUNT, key).fetchone()[0]  # type: ignore[index]  # one row always
            for name, key in (
                ("clearing", ("psp_clearing", "psp:simulated")),
                ("cash", ("player_cash", "player:1")),
            )
        }
        db.execute(_MADE.format(count=count))
        for statement in _BOOKS:
            db.execute(statement.format(**accounts))
        found = db.execute(_LINES).fetchall()
    with psycopg.connect(owner_url, autocommit=True) as db:
        db.execute("ANALYZE")
    place.write_bytes(_file(found))


def _file(found: list[tuple[Any, ...]]) -> bytes:
    """The provider's file: its fees are those of the contract, and all are in one payout."""
    day = found[0][4].replace(hour=0, minute=0, second=0, microsecond=0)
    return settlement_file.written(
        [_row(*one) for one in found],
        period_ms=(_ms(day), _ms(day + timedelta(days=1, seconds=-1))),
        sequence=1,
    )


def _row(n: int, ref: str, payment: UUID, minor: int, at: datetime) -> dict[str, Any]:
    fee = fee_minor("payment", "EUR", minor)
    booked_ms = _ms(at)
    return {
        "row_id": n,
        "type": "payment",
        "payment_ref": ref,
        "merchant_reference": payment,
        "dispute_ref": "",
        "payout_id": "po_1",
        "currency": "EUR",
        "gross_minor": minor,
        "fee_minor": fee,
        "net_minor": minor - fee,
        "net_currency": "EUR",
        "fx_rate": "",
        "created_ms": booked_ms,
        "settled_ms": booked_ms,
    }


def _ms(at: datetime) -> int:
    """``at``, which the database said in UTC, in milliseconds since 1970."""
    return int(at.replace(tzinfo=UTC).timestamp() * 1_000)
