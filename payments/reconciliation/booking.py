"""What a run books: the fees of rows that agree, and payouts that the bank has. Never a break.

Each transfer is of one row of one file (or of one payout that no row stands for), so it happens
once whichever run comes to it: a run that is repeated, or that died half way, books what is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from django.db import connection, transaction

from kernel.ids import AccountId, Actor
from kernel.invariant import InvariantBroken
from ledger import accounts, posting
from ledger.postings import AccountKind, PostCode, Transfer, TransferKind, derived_id
from payments.reconciliation.rows import row_ref, row_uuid

#: Transfers in one batch: each batch holds its few accounts until it is committed.
BATCH: Final = 2_000
_DONE: Final = frozenset({PostCode.POSTED, PostCode.DUPLICATE_ID})


@dataclass(frozen=True, slots=True)
class Due:
    """``amount_minor`` that the clearing account of ``provider`` moves by, seen from us: a cost or
    a payout is negative. ``bank`` names the account that a payout reached; empty: it is a fee."""

    provider: str
    currency: str
    amount_minor: int
    row: str
    bank: str = ""


def book(due: Iterable[Due], actor: Actor) -> int:
    """Book all of ``due``; returns how many transfers are new. Batches are committed one by one."""
    rest, new = iter(due), 0
    while batch := list(islice(rest, BATCH)):
        new += _book(batch, actor)
    return new


def _book(batch: Sequence[Due], actor: Actor) -> int:
    with transaction.atomic():
        transfers = _unknown(_transfers(batch))
        if not transfers:
            return 0
        ids = "".join(str(one.id) for one in transfers)
        results = posting.try_post(
            key=f"reconciliation:{hashlib.sha256(ids.encode()).hexdigest()}",
            kind="reconciliation",
            actor=actor,
            transfers=transfers,
        )
    wrong = [one for one in results if one.code not in _DONE]
    if wrong:
        raise InvariantBroken("what agrees can be booked", first=wrong[0])
    return sum(one.code is PostCode.POSTED for one in results)


def _unknown(transfers: Sequence[Transfer]) -> list[Transfer]:
    """Those that no earlier run booked: it may have, after the instant that this one looks at."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM ledger_transfer_id WHERE id = ANY (%s::uuid[])",
            [[one.id for one in transfers]],
        )
        known = {row[0] for row in cursor.fetchall()}
    return [one for one in transfers if one.id not in known]


def _transfers(batch: Sequence[Due]) -> list[Transfer]:
    names = {}
    for one in batch:
        names[one] = (
            (AccountKind.PSP_CLEARING, f"psp:{one.provider}", one.currency),
            (AccountKind.BANK, f"bank:{one.bank}", one.currency)
            if one.bank
            else (AccountKind.PSP_FEES, f"psp:{one.provider}", one.currency),
        )
    found = accounts.ensure_accounts(name for pair in names.values() for name in pair)
    return [_transfer(one, found[names[one][0]], found[names[one][1]]) for one in batch]


def _transfer(one: Due, clearing: AccountId, other: AccountId) -> Transfer:
    """Money away from us is on the clearing account's credit side."""
    away = one.amount_minor < 0
    kind = TransferKind.PSP_SETTLEMENT if one.bank else TransferKind.PSP_FEE
    return Transfer(
        id=derived_id(f"reconciliation:{kind.value}", row_uuid(one.provider, one.row)),
        debit=other if away else clearing,
        credit=clearing if away else other,
        amount_minor=abs(one.amount_minor),
        kind=kind,
        ref=row_ref(one.row),
    )
