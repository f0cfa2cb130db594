"""Taking bets back, and betting the same again, while betting is open."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import DatabaseError, connection, connections, transaction

from compliance import facts
from kernel.clock import epoch_ms
from kernel.ids import Actor, PlayerId, RoundId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts
from ledger.posting import post
from ledger.postings import Transfer, TransferKind
from tables import locks
from tables.bets.betting import closed, keep_slips
from tables.bets.slips import AcceptedBet, BettingCode, Receipt, checked_key
from tables.models import OutcomeKind, Round, Slip
from tables.play.settlement import insert_outcomes

#: As for slips: the round is held by batches for some milliseconds each.
TRIES: Final = 5


def undo_with_retries(player_id: PlayerId, table_id: str, *, key: str) -> Receipt:
    """:func:`undo_last`, tried again when bets held the round; then refused ``BUSY``."""
    for _ in range(TRIES):
        try:
            return undo_last(player_id, table_id, key=key)
        except DatabaseError as conflict:
            if not locks.is_conflict(conflict):
                raise
            connections.close_all()
    raise Refused(BettingCode.BUSY, waiting=0)


def undo_last(player_id: PlayerId, table_id: str, *, key: str) -> Receipt:
    """Take back the player's latest slip of this round that still stands: its stakes return.

    Exactly once per ``key``; the same key answers the same. Refuses with ``TOO_LATE``,
    ``NOT_OPEN``, ``TABLE_SUSPENDED`` or ``NOTHING_TO_UNDO``, judged after the round's lock, so an
    undo can no more come late than a bet.
    """
    fingerprint = hashlib.sha256(f"undo\n{table_id}".encode()).hexdigest()
    checked_key(key)
    with transaction.atomic():
        locks.bound_session()
        round_, now = locks.lock_current_round(table_id)
        known = _answered(player_id, key, fingerprint)
        if known is not None:
            return known
        refusal = closed(round_, now)
        if round_ is None or refusal is not None:
            raise refusal or Refused(BettingCode.NOT_OPEN)
        slip_id, bets = _latest_slip(round_, player_id)
        receipt = _give_back(round_, player_id, slip_id, bets, now)
        keep_slips(round_, [(receipt.slip_id, player_id, key, fingerprint, receipt)], now)
        return receipt


def _answered(player_id: PlayerId, key: str, fingerprint: str) -> Receipt | None:
    row = Slip.objects.filter(player_id=player_id, key=key).first()
    if row is None:
        return None
    if row.kind != "undo" or row.fingerprint != fingerprint:
        raise Refused(BettingCode.KEY_CONFLICT, key=key)
    return Receipt.from_json(row.answer)


def _latest_slip(round_: Round, player_id: PlayerId) -> tuple[UUID, list[tuple[Any, ...]]]:
    """The newest slip that stands: its id; bets as (id, accepted_at, position, stake, currency)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.slip_id, b.id, b.accepted_at, b.position, b.stake_minor, b.currency"
            " FROM tables_bet b WHERE b.round_id = %s AND b.player_id = %s AND NOT EXISTS (SELECT"
            " FROM tables_bet_outcome o WHERE o.bet_id = b.id AND o.bet_accepted_at ="
            " b.accepted_at) ORDER BY b.accepted_at DESC, b.slip_id DESC, b.id",
            [round_.id, player_id],
        )
        rows = cursor.fetchall()
    if not rows:
        raise Refused(BettingCode.NOTHING_TO_UNDO, round=round_.number)
    return rows[0][0], [row[1:] for row in rows if row[0] == rows[0][0]]


def _give_back(
    round_: Round,
    player_id: PlayerId,
    slip_id: UUID,
    bets: list[tuple[Any, ...]],
    now: datetime,
) -> Receipt:
    currency = bets[0][4]
    total = sum(bet[3] for bet in bets)
    staked_at = bets[0][1]  # of the whole slip: what comes back lessens the window it counted in
    facts.record(
        [facts.Fact(player_id, facts.FactKind.STAKE_RETURNED, Money(total, currency), staked_at)]
    )
    cash = accounts.player_cash(player_id, currency)
    transfers = [
        Transfer(
            id=new_id(),
            debit=accounts.escrow(RoundId(round_.id), currency),
            credit=cash,
            amount_minor=stake_minor,
            kind=TransferKind.STAKE_UNDO,
            ref=f"bet:{bet_id}",
        )
        for bet_id, _, _, stake_minor, _ in bets
    ]
    post(key=f"undo:{slip_id}", kind="undo", actor=Actor.player(player_id), transfers=transfers)
    insert_outcomes(
        round_.id,
        round_.version,
        [
            (bet[0], bet[1], OutcomeKind.UNDONE.value, bet[3], transfer.id)
            for bet, transfer in zip(bets, transfers, strict=True)
        ],
        now,
    )
    return Receipt(
        slip_id=new_id(),
        kind="undo",
        table_id=round_.table_id,
        round_number=round_.number,
        currency=currency,
        bets=tuple(AcceptedBet(bet[0], bet[2], bet[3]) for bet in bets),
        accepted_at=now,
        before_close_ms=epoch_ms(round_.closes_at) - epoch_ms(now),
        balance_after_minor=accounts.balance(cash).available_minor,
        rules_hash=round_.rules_hash,
    )


def last_stakes(player_id: PlayerId, table_id: str) -> list[tuple[str, int]]:
    """What stood at the end of the player's latest finished round here, for a rebet.

    Refuses with ``NOTHING_TO_REPEAT``.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.position, sum(b.stake_minor)::bigint FROM tables_bet b WHERE b.player_id = %s"
            " AND b.round_id = (SELECT r.id FROM tables_round r JOIN tables_slip s ON"
            "  s.round_id = r.id AND s.player_id = %s WHERE r.table_id = %s"
            "  AND r.phase IN ('settled', 'voided') ORDER BY r.number DESC LIMIT 1)"
            " AND NOT EXISTS (SELECT FROM tables_bet_outcome o WHERE o.bet_id = b.id AND"
            " o.bet_accepted_at = b.accepted_at AND o.kind = 'undone')"
            " GROUP BY b.position ORDER BY min(b.id::text)",
            [player_id, player_id, table_id],
        )
        rows = cursor.fetchall()
    if not rows:
        raise Refused(BettingCode.NOTHING_TO_REPEAT, table=table_id)
    return [(position, int(minor)) for position, minor in rows]


def standing_stakes(player_id: PlayerId, table_id: str) -> list[tuple[str, int]]:
    """What stands in the current round, for doubling it. Refuses with ``NOTHING_TO_REPEAT``."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.position, sum(b.stake_minor)::bigint FROM tables_bet b JOIN tables_round r"
            " ON r.id = b.round_id WHERE r.table_id = %s AND r.phase NOT IN ('settled', 'voided')"
            " AND b.player_id = %s AND NOT EXISTS (SELECT FROM tables_bet_outcome o WHERE"
            " o.bet_id = b.id AND o.bet_accepted_at = b.accepted_at)"
            " GROUP BY b.position ORDER BY min(b.id::text)",
            [table_id, player_id],
        )
        rows = cursor.fetchall()
    if not rows:
        raise Refused(BettingCode.NOTHING_TO_REPEAT, table=table_id)
    return [(position, int(minor)) for position, minor in rows]
