"""Permits: what the gate allowed, as rows that posting demands.

A permit is valid only in the transaction that issued it, for one owner, purpose and currency, and
up to an amount over all transfers that name it. ``compliance.gate`` is the only caller of
:func:`issue_to_players_statement`, and :func:`issue` has none but benchmarks and tests; a path
around the gate therefore fails in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connection

from audit.together import Kept, Statement, run_together
from kernel.arrays import array_of, array_of_texts
from kernel.ids import PlayerId
from kernel.invariant import ensure
from ledger.postings import PERMIT_KINDS, TransferKind


@dataclass(frozen=True, slots=True)
class Grant:
    """``owner_ref`` may move up to ``amount_minor_max`` minor units of ``currency``."""

    id: UUID
    owner_ref: str
    purpose: TransferKind
    currency: str
    amount_minor_max: int


@dataclass(frozen=True, slots=True)
class Given:
    """What many permits have in common: what they are for, and in which currency."""

    purpose: TransferKind
    currency: str


_ISSUE_TO_PLAYERS: Final = Kept(
    "SELECT ledger_issue_permits(%s::text::uuid[],"
    " ARRAY(SELECT 'player:' || p FROM unnest(%s::text::bigint[]) WITH ORDINALITY"
    " AS u (p, n) ORDER BY n),"
    " array_fill(%s::text, ARRAY[%s::integer]), array_fill(%s::text, ARRAY[%s::integer]),"
    " %s::text::bigint[])"
)


def issue_to_players_statement(
    ids: Sequence[UUID],
    players: Sequence[PlayerId],
    amounts_minor_max: Sequence[int],
    given: Given,
) -> Statement:
    """As `issue_statement`, for permits of players that are all ``given`` for the same.

    Three columns: each costs a quarter of what a `Grant` does. One of them at least.
    """
    ensure(given.purpose in PERMIT_KINDS, "a permit is for what a person causes", got=given)
    ensure(len(ids) == len(players) == len(amounts_minor_max), "columns are equally long")
    ensure(min(amounts_minor_max) > 0, "a permit allows something", got=given)
    return (
        _ISSUE_TO_PLAYERS,
        [
            array_of(ids),
            array_of(players),
            *(given.purpose.value, len(ids), given.currency, len(ids)),
            array_of(amounts_minor_max),
        ],
    )


def issue(grants: Sequence[Grant]) -> None:
    """Write ``grants`` as permits of the open transaction; they die with it. Takes no lock."""
    ensure(bool(connection.in_atomic_block), "permits belong to a transaction")
    if grants:
        run_together([issue_statement(grants)])


def issue_statement(grants: Sequence[Grant]) -> Statement:
    """What `issue` does, for whoever writes more in the same message."""
    for grant in grants:
        ensure(grant.purpose in PERMIT_KINDS, "a permit is for what a person causes", got=grant)
        ensure(grant.amount_minor_max > 0, "a permit allows something", got=grant)
    return (
        "SELECT ledger_issue_permits(%s::text::uuid[], %s::text::text[], %s::text::text[],"
        " %s::text::text[], %s::text::bigint[])",
        [
            array_of(grant.id for grant in grants),
            array_of_texts(grant.owner_ref for grant in grants),
            array_of(grant.purpose.value for grant in grants),
            array_of_texts(grant.currency for grant in grants),
            array_of(grant.amount_minor_max for grant in grants),
        ],
    )
