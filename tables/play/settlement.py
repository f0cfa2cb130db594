"""Ending a round: pay every bet, or refund every bet, exactly once.

A round is worked off in keyed chunks, each one transaction: outcomes and money of the chunk commit
together, so any runner can go on where another was killed. A chunk takes the bets that have no
outcome yet, under the round's lock. Escrow is topped up from the house before it pays more than it
holds, and what is left at the end is swept to the house: it ends at zero, and the house account is
touched at most twice per chunk.
"""

from __future__ import annotations

import json
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
from ledger.posting import post, post_selected
from ledger.postings import AccountKind, Transfer, TransferKind
from tables import audit_kinds, locks
from tables.floor_plan import stream_name
from tables.models import OutcomeKind, Round
from tables.phases import FINISHED, Phase, step
from tables.rules import roulette

#: Bets settled in one transaction: it holds their players' accounts for some 0.2 s.
CHUNK_MAX: Final = 5_000

#: The next bets in the order of their ids; those without an outcome get one. Answers what that owes
#: to whom and for which bets, by quarters of an hour in which they were accepted (no window is cut
#: within one), and in a row without a player how far it looked. No step leaves the
#: planner a choice that stale statistics could turn into a scan of every bet there is: one probe
#: for each of these bets, prices by name, times that say which months to read.
_END: Final = """
WITH next AS MATERIALIZED (
    SELECT b.id, b.accepted_at, b.player_id, b.currency, b.position, b.stake_minor
    FROM tables_bet b
    WHERE b.round_id = %(round)s AND b.id > %(after)s
        AND b.accepted_at BETWEEN %(since)s AND %(now)s
    ORDER BY b.id LIMIT %(most)s
), open AS MATERIALIZED (
    SELECT n.id, n.accepted_at, n.player_id, n.currency,
        (%(returns)s::jsonb ->> (n.position || '=' || n.stake_minor))::bigint AS minor
    FROM next n
    WHERE (SELECT 1 FROM tables_bet_outcome o WHERE o.bet_id = n.id
        AND o.bet_accepted_at = n.accepted_at
        AND o.bet_accepted_at BETWEEN %(since)s AND %(now)s LIMIT 1) IS NULL
), made AS (
    INSERT INTO tables_bet_outcome (bet_id, bet_accepted_at, kind, returned_minor, transfer_id,
        version, round_id, at)
    SELECT o.id, o.accepted_at, CASE WHEN o.minor > 0 THEN %(ending)s ELSE %(lost)s END, o.minor,
        CASE WHEN o.minor > 0 THEN overlay(o.id::text PLACING '8' FROM 15)::uuid END,
        %(version)s, %(round)s, %(now)s
    FROM open o
)
SELECT o.player_id, o.currency, sum(o.minor)::bigint, min(o.id::text),
    (array_agg(o.id) FILTER (WHERE o.minor > 0))::text,
    (array_agg(o.minor) FILTER (WHERE o.minor > 0))::text, min(o.accepted_at)
FROM open o GROUP BY o.player_id, o.currency,
    date_bin('15 minutes', o.accepted_at, timestamptz '2000-01-01 00:00:00+00')
UNION ALL
SELECT NULL, '', 0, max(n.id::text), NULL, NULL, NULL FROM next n
"""

#: What a chunk owes, as transfers: one array of bets and one of amounts for each player.
_PAYMENTS: Final = """
SELECT overlay(b.id::text PLACING '8' FROM 15)::uuid AS id, a.escrow AS debit, a.cash AS credit,
    b.minor AS amount_minor, %(transfer_kind)s::text AS kind, 'bet:' || b.id AS ref
FROM unnest(%(escrows)s::text::bigint[], %(cash)s::text::bigint[], %(bets)s::text[],
    %(minors)s::text[]) AS a (escrow, cash, bets, minors)
CROSS JOIN LATERAL unnest(a.bets::uuid[], a.minors::bigint[]) AS b (id, minor)
"""


class SettlementCode(StrEnum):
    """Why a round cannot be finished yet."""

    BETS_LEFT = "bets_left"


#: What each kind of bet of a round returns: `position=stake` → minor units.
_Returns = dict[str, int]

_NO_BET: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class _Owed:
    """What one player is owed for bets of a chunk accepted within one quarter of an hour.

    Bets and their amounts as the database wrote them; ``staked_at`` is when the first was accepted.
    """

    player_id: PlayerId
    currency: str
    minor: int
    bets: str
    minors: str
    staked_at: datetime


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Bets that have just been given their outcome, and what that owes to each player.

    ``first_bet`` is the first of them, ``last_bet`` the last that was looked at.
    """

    first_bet: str
    last_bet: UUID
    owed: list[_Owed]


def settle(round_id: RoundId | UUID, *, lease: locks.Lease | None = None) -> None:
    """Pay an OFFICIAL round by the rules its bets were accepted under, and mark it SETTLED.

    Idempotent and resumable. Raises ``LeaseLost`` when ``lease`` was taken over.
    """
    _work_off(round_id, TransferKind.PAYOUT, lease)
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
    _work_off(round_id, TransferKind.REFUND, lease)
    _finish(round_id, Phase.VOIDED, lease, reason=reason, actor=actor)


def _work_off(round_id: RoundId | UUID, kind: TransferKind, lease: locks.Lease | None) -> None:
    """Chunk after chunk until no bet is open. What bets return is worked out once, before."""
    with transaction.atomic():
        round_ = _workable(round_id, kind, lease)
        returns = {} if round_ is None else _returns(round_, kind)
    after: UUID | None = _NO_BET
    while returns and after is not None:
        after = _pay_chunk(round_id, kind, lease, returns, after)


def _pay_chunk(
    round_id: RoundId | UUID,
    kind: TransferKind,
    lease: locks.Lease | None,
    returns: _Returns,
    after: UUID,
) -> UUID | None:
    """One transaction's worth of bets beyond ``after``: the last of them; None: none is left."""
    with transaction.atomic():
        round_ = _workable(round_id, kind, lease)
        chunk = None if round_ is None else _end_bets(round_, kind, returns, after)
        if round_ is None or chunk is None:
            return None
        _tell_compliance(chunk, kind)
        _pay(round_, chunk, kind)
        return chunk.last_bet


def _workable(
    round_id: RoundId | UUID, kind: TransferKind, lease: locks.Lease | None
) -> Round | None:
    """The round, locked; None when it is finished."""
    round_ = _locked(round_id, lease)[0]
    if round_.phase in FINISHED:
        return None
    wanted = Phase.OFFICIAL if kind is TransferKind.PAYOUT else Phase.SUSPENDED
    ensure(
        round_.phase == wanted,
        "settled when official, voided when suspended",
        round=str(round_.id),
        phase=round_.phase,
    )
    return round_


def _locked(round_id: RoundId | UUID, lease: locks.Lease | None) -> tuple[Round, datetime]:
    locks.bound_session()
    if lease is not None:
        locks.lock_owner(lease)
    return locks.lock_round(round_id)


def _returns(round_: Round, kind: TransferKind) -> _Returns:
    """What the bets of the round return by their rules; equal bets are worked out once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT position, stake_minor FROM tables_bet WHERE round_id = %s",
            [round_.id],
        )
        bets = cursor.fetchall()
    if kind is TransferKind.REFUND:
        return {f"{position}={stake}": stake for position, stake in bets}
    ensure(round_.result is not None, "an official round has a result", round=str(round_.id))
    number = round_.result or 0
    rules = roulette.ruleset_by_hash(round_.rules_hash)
    return {
        f"{position}={stake}": roulette.payout(
            rules, roulette.parse_position(position), stake, number
        )
        for position, stake in bets
    }


def _end_bets(round_: Round, kind: TransferKind, returns: _Returns, after: UUID) -> _Chunk | None:
    """Give those of the next bets that are open their outcomes; None when there is no next bet."""
    now = database_now()
    ending = OutcomeKind.REFUNDED if kind is TransferKind.REFUND else OutcomeKind.PAID
    with connection.cursor() as cursor:
        cursor.execute(
            _END,
            {
                "round": round_.id,
                "since": round_.opened_at,
                "version": round_.version,
                "after": after,
                "most": CHUNK_MAX,
                "now": now,
                "ending": ending.value,
                "lost": OutcomeKind.LOST.value,
                "returns": json.dumps(returns),
            },
        )
        found = cursor.fetchall()
    rows = [row for row in found if row[0] is not None]
    (last_bet,) = [row[3] for row in found if row[0] is None]
    if last_bet is None:
        return None
    return _Chunk(
        first_bet=min((row[3] for row in rows), default=""),
        last_bet=UUID(last_bet),
        owed=[_Owed(PlayerId(row[0]), row[1], row[2], *row[4:]) for row in rows if row[2]],
    )


def _tell_compliance(chunk: _Chunk, kind: TransferKind) -> None:
    """Returns count for limits in the same transaction as the money, in the windows of the stakes.

    What comes back after midnight would else be an allowance of the new day.
    """
    fact = facts.FactKind.STAKE_RETURNED if kind is TransferKind.REFUND else facts.FactKind.PAID_OUT
    facts.record(
        [
            facts.Fact(owed.player_id, fact, Money(owed.minor, owed.currency), owed.staked_at)
            for owed in chunk.owed
        ]
    )


def _pay(round_: Round, chunk: _Chunk, kind: TransferKind) -> None:
    """The chunk's money in one keyed ledger batch.

    The transfer has the id of its bet as version 8 (RFC 9562 §5.8; bets have version 7), so that a
    bet is paid or refunded once, whatever the key.
    """
    if not chunk.owed:
        return
    account = _accounts(round_, chunk)
    escrows = [account[AccountKind.ESCROW, f"round:{round_.id}", o.currency] for o in chunk.owed]
    cash = [
        account[AccountKind.PLAYER_CASH, f"player:{o.player_id}", o.currency] for o in chunk.owed
    ]
    verb = "settle" if kind is TransferKind.PAYOUT else "void"
    posted = post_selected(
        key=f"{verb}:round:{round_.id}:v{round_.version}:{chunk.first_bet}",
        kind=verb,
        actor=Actor.system("settlement"),
        first=_top_up(round_, chunk, account),
        select=_PAYMENTS,
        params={
            "transfer_kind": kind.value,
            "escrows": array_of(escrows),
            "cash": array_of(cash),
            "bets": [owed.bets for owed in chunk.owed],
            "minors": [owed.minors for owed in chunk.owed],
        },
    )
    ensure(not posted.replayed, "a chunk and its outcomes commit together", round=str(round_.id))


def _accounts(round_: Round, chunk: _Chunk) -> dict[accounts.AccountName, AccountId]:
    wanted: set[accounts.AccountName] = set()
    for owed in chunk.owed:
        wanted.add((AccountKind.ESCROW, f"round:{round_.id}", owed.currency))
        wanted.add((AccountKind.HOUSE, f"table:{round_.table_id}", owed.currency))
        wanted.add((AccountKind.PLAYER_CASH, f"player:{owed.player_id}", owed.currency))
    return accounts.ensure_accounts(wanted)


def _top_up(
    round_: Round, chunk: _Chunk, account: dict[accounts.AccountName, AccountId]
) -> list[Transfer]:
    """House money into escrow where this chunk pays more than escrow holds, per currency."""
    needed: defaultdict[str, int] = defaultdict(int)
    for owed in chunk.owed:
        needed[owed.currency] += owed.minor
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
        if _is_bet_left(round_):
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


def _is_bet_left(round_: Round) -> bool:
    """Whether any bet has no outcome, whenever it was accepted: chunks looked by the clock.

    As a difference of two sets, which the planner can only hash or sort.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT b.id, b.accepted_at FROM tables_bet b WHERE b.round_id = %s"
            " EXCEPT SELECT o.bet_id, o.bet_accepted_at FROM tables_bet_outcome o"
            " WHERE o.round_id = %s)",
            [round_.id, round_.id],
        )
        return bool(cursor.fetchone()[0])


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
