"""The books as sources of seals: batches with their transfers, accounts, holds and their ends.

Entries are not sealed: in the order of batches, transfers alone say each account's every balance,
and `manage.py check_ledger` holds the entries against them. A batch is one row, so that sealing
costs the posting path nothing and a seal covers thousands of transfers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from audit.canonical import canonical, instant
from audit.seals import Source, register_source

#: Batches under one seal: of some hundred transfers each, about as much as 10,000 events.
BATCHES_MAX: Final = 200

_BATCHES: Final = """
SELECT b.id::text AS key, b.posted_at AS at, b.id, b.key AS batch_key, b.kind, b.actor, b.n,
    encode(b.fingerprint, 'hex') AS fingerprint, b.codes,
    (SELECT coalesce(json_agg(json_build_array(
            t.item, t.id, t.debit, t.credit, t.amount, t.kind, t.ref, t.permit) ORDER BY t.item
        ), '[]')::text
     FROM ledger_transfer t WHERE t.batch = b.id AND t.posted_at = b.posted_at) AS transfers
FROM ledger_batch b"""

_ACCOUNTS: Final = """
SELECT id::text AS key, opened_at AS at, id, currency, scale, kind, owner_ref
FROM ledger_account"""

_HOLDS: Final = """
SELECT id::text AS key, at, account, credit, amount, kind, ref, actor, expires_at,
    encode(fingerprint, 'hex') AS fingerprint
FROM ledger_hold"""

_HOLD_ENDS: Final = """
SELECT hold::text AS key, at, outcome, captured, batch, actor FROM ledger_hold_end"""


def batch_bytes(row: Mapping[str, Any]) -> bytes:
    """One batch as canonical JSON, version 1: what was asked, by whom, and each transfer in order.

    A transfer is [item, id, debit, credit, minor units, kind, ref, permit]; ``codes`` are those of
    ``ledger.postings.POST_CODES``, None for a batch that was posted whole.
    """
    return canonical(
        {
            "v": 1,
            "at": instant(row["at"]),
            "id": row["id"],
            "key": row["batch_key"],
            "kind": row["kind"],
            "actor": row["actor"],
            "n": row["n"],
            "fingerprint": row["fingerprint"],
            "codes": row["codes"],
            "transfers": json.loads(row["transfers"]),
        }
    )


def account_bytes(row: Mapping[str, Any]) -> bytes:
    """One account as canonical JSON, version 1: what never changes about it."""
    return canonical(
        {
            "v": 1,
            "at": instant(row["at"]),
            "id": row["id"],
            "currency": row["currency"],
            "scale": row["scale"],
            "kind": row["kind"],
            "owner": row["owner_ref"],
        }
    )


def hold_bytes(row: Mapping[str, Any]) -> bytes:
    """One hold as canonical JSON, version 1: the transfer that it may become, and until when."""
    return canonical(
        {
            "v": 1,
            "at": instant(row["at"]),
            "id": row["key"],
            "account": row["account"],
            "credit": row["credit"],
            "amount": row["amount"],
            "kind": row["kind"],
            "ref": row["ref"],
            "actor": row["actor"],
            "fingerprint": row["fingerprint"],
            "expires_at": instant(row["expires_at"]),
        }
    )


def hold_end_bytes(row: Mapping[str, Any]) -> bytes:
    """How one hold ended as canonical JSON, version 1; the batch is under its own seal."""
    return canonical(
        {
            "v": 1,
            "at": instant(row["at"]),
            "hold": row["key"],
            "outcome": row["outcome"],
            "captured": row["captured"],
            "batch": row["batch"],
            "actor": row["actor"],
        }
    )


BATCHES: Final = register_source(
    Source("ledger", _BATCHES, "b.id = ANY(%s::bigint[])", batch_bytes, rows_max=BATCHES_MAX)
)
ACCOUNTS: Final = register_source(
    Source("ledger_accounts", _ACCOUNTS, "id = ANY(%s::bigint[])", account_bytes)
)
HOLDS: Final = register_source(Source("ledger_holds", _HOLDS, "id = ANY(%s::uuid[])", hold_bytes))
HOLD_ENDS: Final = register_source(
    Source("ledger_hold_ends", _HOLD_ENDS, "hold = ANY(%s::uuid[])", hold_end_bytes)
)
