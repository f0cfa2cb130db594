"""Ending a round: pay every bet, or refund every bet, exactly once.

A round is worked off in keyed chunks, each one transaction: outcomes and money of the chunk commit
together, so any runner can go on where another was killed. A chunk takes the bets that have no
outcome yet, under the round's lock. Escrow is topped up from the house before it pays more than it
holds, and what is left at the end is swept to the house: it ends at zero, and the house account is
touched at most twice per chunk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from audit.database_clock import database_now
from audit.record import Subject, record
from compliance import facts
from events import stream
from kernel.arrays import array_of
from kernel.clock import epoch_ms
from kernel.ids import AccountId, Actor, PlayerId, RoundId, TableId, new_id
from kernel.invariant import ensure
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts
from ledger.posting import post
from ledger.postings import AccountKind, Transfer, TransferKind
from tables import audit_kinds, locks
from tables.floor_plan import stream_name
from tables.models import OutcomeKind, Round
from tables.phases import FINISHED, Phase, step
from tables.rules import roulette

#: Bets settled in one transaction. With 9,000 a busy machine worked out the payouts for longer than
#: a transaction may stand idle (`locks.bound_session`), and such a round could never end.
CHUNK_MAX: Final = 2_500


class SettlementCode(StrEnum):
    """Why a round cannot be finished yet."""

    BETS_LEFT = "bets_left"


@dataclass(frozen=True, slots=True)
class _Open:
    """A bet without outcome."""

    id: UUID
    accepted_at: datetime
    player_id: PlayerId
    position: str
    stake_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class _Ending:
    """What becomes of one bet."""

    bet: _Open
    kind: OutcomeKind
    returned_minor: int
    transfer_id: UUID | None


def settle(round_id: RoundId | UUID, *, lease: locks.Lease | None = None) -> None:
    """Pay an OFFICIAL round by the rules its bets were accepted under, and mark it SETTLED.

    Idempotent and resumable. Raises ``LeaseLost`` when ``lease`` was taken over.
    """
    while _chunk(round_id, TransferKind.PAYOUT, lease):
        pass
    _finish(round_id, Phase.SETTLED, lease, reason="", actor=Actor.system("settlement"))


def void(
    round_id: RoundId | UUID, *, reason: str, actor: Actor, lease: locks.Lease | None = None
) -> None:
    """Refund every bet of a SUSPENDED round in full and mark it VOIDED (F36).

    Idempotent: voiding a voided round again changes nothing. Any other phase is refused, so that a
    round with an official result is never taken back here.
    """
    if Round.objects.get(id=round_id).phase == Phase.VOIDED:
        return
    while _chunk(round_id, TransferKind.REFUND, lease):
        pass
    _finish(round_id, Phase.VOIDED, lease, reason=reason, actor=actor)


def _chunk(round_id: RoundId | UUID, kind: TransferKind, lease: locks.Lease | None) -> bool:
    """One transaction's worth of bets; False when none is left."""
    with transaction.atomic():
        round_ = _locked(round_id, lease)[0]
        if round_.phase in FINISHED:
            return False
        wanted = Phase.OFFICIAL if kind is TransferKind.PAYOUT else Phase.SUSPENDED
        ensure(
            round_.phase == wanted,
            "settled when official, voided when suspended",
            round=str(round_.id),
            phase=round_.phase,
        )
        bets, done = _open_bets(round_)
        if not bets:
            return False
        now = database_now()
        endings = _endings(round_, bets, kind)
        _tell_compliance(endings, kind, now)
        _pay(round_, endings, kind, done)
        _insert_outcomes(round_, endings, now)
    return True


def _locked(round_id: RoundId | UUID, lease: locks.Lease | None) -> tuple[Round, datetime]:
    locks.bound_session()
    if lease is not None:
        locks.lock_owner(lease)
    return locks.lock_round(round_id)


def _open_bets(round_: Round) -> tuple[list[_Open], int]:
    """The next bets without outcome in the order of their ids, and how many have one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.id, b.accepted_at, b.player_id, b.position, b.stake_minor, b.currency"
            " FROM tables_bet b WHERE b.round_id = %s AND NOT EXISTS (SELECT FROM"
            " tables_bet_outcome o WHERE o.bet_id = b.id AND o.bet_accepted_at = b.accepted_at)"
            " ORDER BY b.id LIMIT %s",
            [round_.id, CHUNK_MAX],
        )
        bets = [_Open(*row) for row in cursor.fetchall()]
        cursor.execute("SELECT count(*) FROM tables_bet_outcome WHERE round_id = %s", [round_.id])
        return bets, cursor.fetchone()[0]


def _endings(round_: Round, bets: Sequence[_Open], kind: TransferKind) -> list[_Ending]:
    """Pure: what each bet returns. Equal bets are worked out once."""
    if kind is TransferKind.REFUND:
        return [_Ending(bet, OutcomeKind.REFUNDED, bet.stake_minor, new_id()) for bet in bets]
    ensure(round_.result is not None, "an official round has a result", round=str(round_.id))
    number = round_.result or 0
    rules = roulette.ruleset_by_hash(round_.rules_hash)
    returned = {
        (position, stake): roulette.payout(rules, roulette.parse_position(position), stake, number)
        for position, stake in {(bet.position, bet.stake_minor) for bet in bets}
    }
    return [_ending(bet, returned[bet.position, bet.stake_minor]) for bet in bets]


def _ending(bet: _Open, returned_minor: int) -> _Ending:
    if returned_minor == 0:
        return _Ending(bet, OutcomeKind.LOST, 0, None)
    return _Ending(bet, OutcomeKind.PAID, returned_minor, new_id())


def _tell_compliance(endings: list[_Ending], kind: TransferKind, now: datetime) -> None:
    """Returns count for limits in the same transaction as the money, one fact per player."""
    fact = facts.FactKind.STAKE_RETURNED if kind is TransferKind.REFUND else facts.FactKind.PAID_OUT
    totals: defaultdict[tuple[PlayerId, str], int] = defaultdict(int)
    for ending in endings:
        totals[ending.bet.player_id, ending.bet.currency] += ending.returned_minor
    facts.record(
        [
            facts.Fact(player_id, fact, Money(minor, currency), now)
            for (player_id, currency), minor in sorted(totals.items())
            if minor
        ]
    )


def _pay(round_: Round, endings: list[_Ending], kind: TransferKind, done: int) -> None:
    """The chunk's money in one keyed ledger batch."""
    paying = [ending for ending in endings if ending.transfer_id is not None]
    if not paying:
        return
    account = _accounts(round_, paying)
    transfers = _top_up(round_, paying, account)
    for ending in paying:
        bet = ending.bet
        transfers.append(
            Transfer(
                id=ending.transfer_id or new_id(),
                debit=account[AccountKind.ESCROW, f"round:{round_.id}", bet.currency],
                credit=account[AccountKind.PLAYER_CASH, f"player:{bet.player_id}", bet.currency],
                amount_minor=ending.returned_minor,
                kind=kind,
                ref=f"bet:{bet.id}",
            )
        )
    verb = "settle" if kind is TransferKind.PAYOUT else "void"
    posted = post(
        key=f"{verb}:round:{round_.id}:v{round_.version}:{done}",
        kind=verb,
        actor=Actor.system("settlement"),
        transfers=transfers,
    )
    ensure(not posted.replayed, "a chunk and its outcomes commit together", round=str(round_.id))


def _accounts(
    round_: Round, paying: list[_Ending]
) -> dict[tuple[AccountKind, str, str], AccountId]:
    wanted = set()
    for ending in paying:
        currency = ending.bet.currency
        wanted.add((AccountKind.ESCROW, f"round:{round_.id}", currency))
        wanted.add((AccountKind.HOUSE, f"table:{round_.table_id}", currency))
        wanted.add((AccountKind.PLAYER_CASH, f"player:{ending.bet.player_id}", currency))
    return accounts.ensure_accounts(sorted(wanted))


def _top_up(
    round_: Round,
    paying: list[_Ending],
    account: dict[tuple[AccountKind, str, str], AccountId],
) -> list[Transfer]:
    """House money into escrow where this chunk pays more than escrow holds, per currency."""
    needed: defaultdict[str, int] = defaultdict(int)
    for ending in paying:
        needed[ending.bet.currency] += ending.returned_minor
    transfers = []
    for currency, minor in sorted(needed.items()):
        escrow = account[AccountKind.ESCROW, f"round:{round_.id}", currency]
        short = minor - accounts.balance(escrow).posted_minor
        if short > 0:
            transfers.append(
                Transfer(
                    id=new_id(),
                    debit=account[AccountKind.HOUSE, f"table:{round_.table_id}", currency],
                    credit=escrow,
                    amount_minor=short,
                    kind=TransferKind.HOUSE_SWEEP,
                    ref=f"round:{round_.id}",
                )
            )
    return transfers


def _insert_outcomes(round_: Round, endings: Sequence[_Ending], now: datetime) -> None:
    rows = [
        (e.bet.id, e.bet.accepted_at, e.kind.value, e.returned_minor, e.transfer_id)
        for e in endings
    ]
    insert_outcomes(round_.id, round_.version, rows, now)


def insert_outcomes(
    round_id: UUID,
    version: int,
    rows: Sequence[tuple[UUID, datetime, str, int, UUID | None]],
    now: datetime,
) -> None:
    """Write outcomes set-based. Rows: bet id, its accepted_at, kind, returned, transfer."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tables_bet_outcome (bet_id, bet_accepted_at, kind, returned_minor,"
            " transfer_id, version, round_id, at) SELECT o.*, %s, %s, %s FROM unnest("
            "%s::text::uuid[], %s::text::timestamptz[], %s::text::varchar[], %s::text::bigint[],"
            " %s::text::uuid[]) AS o",
            [version, round_id, now, *map(array_of, zip(*rows, strict=True))],
        )


def _finish(
    round_id: RoundId | UUID,
    phase: Phase,
    lease: locks.Lease | None,
    *,
    reason: str,
    actor: Actor,
) -> None:
    """The short last transaction: sweep escrow, mark the round, tell everybody."""
    with transaction.atomic():
        round_, now = _locked(round_id, lease)
        if round_.phase in FINISHED:
            return
        if _open_bets(round_)[0]:
            raise Refused(SettlementCode.BETS_LEFT, round=str(round_.id))
        _sweep(round_)
        before = round_.phase
        round_.phase = step(Phase(before), phase)
        round_.phase_at = round_.finished_at = now
        round_.void_reason = reason
        round_.save(update_fields=["phase", "phase_at", "finished_at", "void_reason"])
        record(
            audit_kinds.SETTLED if phase is Phase.SETTLED else audit_kinds.VOIDED,
            actor=actor,
            subject=Subject("round", str(round_.id)),
            component="tables",
            before={"phase": before},
            after={"phase": phase.value, "result": round_.result},
            reason=reason,
        )
        told = {"reason": reason} if phase is Phase.VOIDED else result_facts(round_)
        stream.append(
            stream_name(round_.table_id),
            "phase",
            {
                "round": round_.number,
                "phase": phase.value,
                "at": epoch_ms(now),
                "next_at": next_at_ms(round_),
                **told,
            },
        )


def result_facts(round_: Round) -> dict[str, Any]:
    """What the events of an official round say of its result; ``reveal_at`` is when it was one."""
    ensure(round_.result is not None, "an official round has a result", round=str(round_.id))
    ensure(round_.official_at is not None, "an official round has its time", round=str(round_.id))
    return {
        "result": round_.result,
        "colour": roulette.colour(round_.result or 0).value,
        "sources": round_.result_sources,
        "reveal_at": epoch_ms(round_.official_at or round_.phase_at),
    }


def next_at_ms(round_: Round) -> int | None:
    """When the next round may open at the earliest; None while this one is in play."""
    if round_.finished_at is None:
        return None
    return epoch_ms(round_.finished_at) + round_.table.intermission_ms


def _sweep(round_: Round) -> None:
    """What escrow still holds, per currency, goes to the house: escrow ends at zero."""
    transfers = []
    for escrow, currency, held_minor in _escrows(round_):
        if held_minor == 0:
            continue
        transfers.append(
            Transfer(
                id=new_id(),
                debit=escrow,
                credit=accounts.house(TableId(round_.table_id), currency),
                amount_minor=held_minor,
                kind=TransferKind.HOUSE_SWEEP,
                ref=f"round:{round_.id}",
            )
        )
    if transfers:
        post(
            key=f"sweep:round:{round_.id}:v{round_.version}",
            kind="sweep",
            actor=Actor.system("settlement"),
            transfers=transfers,
        )


def _escrows(round_: Round) -> list[tuple[AccountId, str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, currency, posted FROM ledger_account"
            " WHERE kind = %s AND owner_ref = %s ORDER BY id",
            [AccountKind.ESCROW.value, f"round:{round_.id}"],
        )
        return [(AccountId(row[0]), row[1], row[2]) for row in cursor.fetchall()]
