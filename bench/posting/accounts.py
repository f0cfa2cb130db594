"""Accounts for benchmarks: players with money enough, opened and filled set-based."""

from __future__ import annotations

from typing import Final

from django.db import connection, transaction

from kernel.ids import AccountId, Actor, RoundId, TableId, new_id
from ledger import accounts
from ledger.posting import post
from ledger.postings import TRANSFERS_MAX, AccountKind, Transfer, TransferKind

BENCH: Final = Actor.system("bench")
CURRENCY: Final = "EUR"


def players(count: int, minor_each: int) -> list[AccountId]:
    """The cash accounts of players 1 to ``count``, each with ``minor_each`` of our money."""
    names = [(AccountKind.PLAYER_CASH, f"player:{n}", CURRENCY) for n in range(1, count + 1)]
    found = accounts.ensure_accounts(names)
    cash = [found[name] for name in names]
    till = filled_escrow(count * minor_each)
    for first in range(0, count, TRANSFERS_MAX):
        with transaction.atomic():
            post(
                key=f"bench:fill:{new_id()}",
                kind="bench",
                actor=BENCH,
                transfers=[
                    Transfer(new_id(), till, account, minor_each, TransferKind.PAYOUT, "bench")
                    for account in cash[first : first + TRANSFERS_MAX]
                ],
            )
    return cash


def filled_escrow(minor: int) -> AccountId:
    """The escrow of a round that nobody plays, with so much of the house's money in it."""
    into = escrow()
    if minor:
        given = Transfer(
            new_id(),
            accounts.house(TableId("bench"), CURRENCY),
            into,
            minor,
            TransferKind.HOUSE_SWEEP,
            "bench",
        )
        with transaction.atomic():
            post(key=f"bench:{given.id}", kind="bench", actor=BENCH, transfers=[given])
    return into


def escrow() -> AccountId:
    """The escrow of a round that nobody plays."""
    return accounts.escrow(RoundId(new_id()), CURRENCY)


def ledger_bytes() -> int:
    """Bytes on the disk of every table and index of the ledger."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
            " WHERE relname LIKE 'ledger\\_%' AND relkind = 'r'"
        )
        return int(cursor.fetchone()[0])
