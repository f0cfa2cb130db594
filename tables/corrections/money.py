"""The money of an approved correction: what the old result paid comes back, the new one pays.

Worked off player by player in chunks, each one transaction: money, outcomes of the next version,
shares, facts and notices of its players commit together, so that any process can go on where
another was killed. Per player the new result pays first and the old payout comes back after it, so
that what the new one pays covers what the old one had. What is not there becomes the player's debt
or the house's loss, as the approval says. Escrow is at zero after every chunk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from django.db import OperationalError, connection, connections, transaction

from audit.database_clock import database_now
from audit.record import Subject, record
from compliance import facts
from compliance.standing import lock_standings
from events import stream
from kernel.clock import epoch_ms
from kernel.ids import Actor, PlayerId
from kernel.invariant import ensure
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts
from ledger.posting import post
from ledger.postings import AccountKind, LedgerCode
from notices.send import notify
from tables import audit_kinds, locks
from tables.corrections.plan import Split, split
from tables.corrections.postings import BetEnd, Desk, Played, transfer_id
from tables.floor_plan import stream_name
from tables.incidents.records import Correction, CorrectionShare, CorrectionState, Shortfall
from tables.models import OutcomeKind, Round
from tables.notice_kinds import ROUND_CORRECTED
from tables.phases import Phase
from tables.play import settlement
from tables.play.evidence import Source
from tables.rules import roulette

log = structlog.get_logger(__name__)

SYSTEM: Final = Actor.system("correction")
#: Players per transaction: some tenths of a second, while the table's house account is held.
PLAYERS_MAX: Final = 200
#: The ledger takes 10,000 transfers at once; a player's bets may need more than one posting.
TRANSFERS_MAX: Final = 9_000
#: A lock not had, or an account that shrank meanwhile (a charge-back): the chunk is tried again.
TRIES: Final = 20


def work_off(correction_id: UUID) -> None:
    """Move the money of an APPROVED correction and the round to its next version. Idempotent.

    Raises ``OperationalError`` where a lock was never had: what was done stays, nothing is half
    done, and the next call goes on.
    """
    while _tried(correction_id):
        pass


def _tried(correction_id: UUID) -> bool:
    """One chunk; False when none is left. Tried again where somebody was in the way."""
    for attempt in range(1, TRIES):
        try:
            return _chunk(correction_id)
        except OperationalError:
            log.warning("correction_waits", correction=str(correction_id), attempt=attempt)
            connections.close_all()
        except Refused as refusal:
            if refusal.code is not LedgerCode.REFUSED_TRANSFER:
                raise
            log.warning("correction_account_shrank", correction=str(correction_id))
    return _chunk(correction_id)


def _chunk(correction_id: UUID) -> bool:
    """The next players; the transaction that does the last ones ends the correction as well.

    So that an account which was just read again shows the round as it now stands.
    """
    with transaction.atomic():
        correction, round_ = _locked(correction_id)
        if correction.state != CorrectionState.APPROVED:
            return False
        players = _next_players(correction)
        if players:
            _move(correction, round_, players, database_now())
            players = _next_players(correction)
        if not players:
            _finish(correction, round_, database_now())
    return bool(players)


def _move(
    correction: Correction, round_: Round, players: Sequence[PlayerId], now: datetime
) -> None:
    """Money, outcomes, shares, facts and notices of these players."""
    lock_standings(players)
    worked = [
        Played(player_id, currency, bets)
        for (player_id, currency), bets in _bets(correction, round_, players).items()
    ]
    splits = _splits(correction, worked)
    _post(correction, round_, list(zip(worked, splits, strict=True)))
    _keep_outcomes(correction, worked, now)
    _keep_shares(correction, worked, splits, now)
    _tell_compliance(worked, splits)
    for player, share in zip(worked, splits, strict=True):
        _notify(correction, round_, player, share)


def _locked(correction_id: UUID) -> tuple[Correction, Round]:
    locks.bound_session()
    round_id = Correction.objects.values_list("round_id", flat=True).get(id=correction_id)
    round_, _ = locks.lock_round(round_id)
    return Correction.objects.get(id=correction_id), round_


def _next_players(correction: Correction) -> list[PlayerId]:
    """Players of the round without a share yet, in the order of their ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT b.player_id FROM tables_bet b WHERE b.round_id = %s AND NOT EXISTS"
            " (SELECT FROM tables_correctionshare s WHERE s.correction_id = %s"
            "  AND s.player_id = b.player_id) ORDER BY b.player_id LIMIT %s",
            [correction.round_id, correction.id, PLAYERS_MAX],
        )
        return [PlayerId(row[0]) for row in cursor.fetchall()]


def _bets(
    correction: Correction, round_: Round, players: Sequence[PlayerId]
) -> dict[tuple[PlayerId, str], list[BetEnd]]:
    """Every bet of these players with its outcome of the standing version and of the next."""
    ensure(
        round_.phase == Phase.SETTLED and round_.version + 1 == correction.to_version,
        "a settled round is corrected, version by version",
        round=str(round_.id),
        phase=round_.phase,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.id, b.accepted_at, b.player_id, b.position, b.stake_minor, b.currency,"
            " o.kind, o.returned_minor, o.transfer_id FROM tables_bet b"
            " JOIN tables_bet_outcome o ON o.bet_id = b.id AND o.bet_accepted_at = b.accepted_at"
            "  AND o.version = %s"
            " WHERE b.round_id = %s AND b.player_id = ANY(%s)"
            " ORDER BY b.player_id, b.currency, b.id",
            [round_.version, round_.id, list(players)],
        )
        rows = cursor.fetchall()
    found: defaultdict[tuple[PlayerId, str], list[BetEnd]] = defaultdict(list)
    for row in rows:
        bet = _ended(round_, correction, BetEnd(*row))
        found[bet.player_id, bet.currency].append(bet)
    return found


def _ended(round_: Round, correction: Correction, bet: BetEnd) -> BetEnd:
    """The bet with its end under the new number. What the player took back stays so."""
    kind, returned, transfer = bet.old_kind, bet.old_minor, bet.old_transfer
    if kind != OutcomeKind.UNDONE:
        rules = roulette.ruleset_by_hash(round_.rules_hash)
        position = roulette.parse_position(bet.position)
        returned = roulette.payout(rules, position, bet.stake_minor, correction.new_number)
        kind = OutcomeKind.PAID.value if returned else OutcomeKind.LOST.value
        if returned != bet.old_minor:
            transfer = transfer_id(correction, "paid", bet.id) if returned else None
    return replace(bet, new_kind=kind, new_minor=returned, new_transfer=transfer)


def _splits(correction: Correction, worked: Sequence[Played]) -> list[Split]:
    """Who bears what, by what each account holds now. The players are locked."""
    cash = accounts.ensure_accounts(
        (AccountKind.PLAYER_CASH, f"player:{one.player_id}", one.currency) for one in worked
    )
    held = accounts.balances(cash.values())
    borne = _borne_before(correction)
    return [
        split(
            one.changes(),
            available_minor=held[
                cash[AccountKind.PLAYER_CASH, f"player:{one.player_id}", one.currency]
            ].available_minor,
            borne_minor=borne.get((one.player_id, one.currency), 0),
            house_bears=correction.shortfall == Shortfall.HOUSE,
        )
        for one in worked
    ]


def _borne_before(correction: Correction) -> dict[tuple[int, str], int]:
    """What the house still bears of each player's from earlier corrections of the round."""
    borne: defaultdict[tuple[int, str], int] = defaultdict(int)
    rows = CorrectionShare.objects.filter(correction__round_id=correction.round_id)
    for player_id, currency, lost, regained in rows.values_list(
        "player_id", "currency", "lost_minor", "regained_minor"
    ):
        borne[player_id, currency] += lost - regained
    return borne


def _post(correction: Correction, round_: Round, worked: Sequence[tuple[Played, Split]]) -> None:
    """The chunk's money: new payouts, old ones back, the house before and after them."""
    shares = [
        (player, share) for player, share in worked if share.reversed_minor or share.paid_minor
    ]
    if not shares:
        return
    desk = Desk(correction, round_, [player for player, _ in shares])
    transfers = desk.house_legs(shares, first=True)
    for player, _ in shares:
        transfers += desk.payouts(player)
    for player, share in shares:
        transfers += desk.reversals(player, share)
    transfers += desk.house_legs(shares, first=False)
    first = shares[0][0].player_id
    for start in range(0, len(transfers), TRANSFERS_MAX):
        posted = post(
            key=f"correct:round:{round_.id}:v{correction.to_version}:{first}:{start}",
            kind="correction",
            actor=SYSTEM,
            transfers=transfers[start : start + TRANSFERS_MAX],
        )
        ensure(not posted.replayed, "a chunk and its shares commit together", round=str(round_.id))


def _keep_outcomes(correction: Correction, worked: Sequence[Played], now: datetime) -> None:
    """Exactly one row per bet and version, whether its outcome changed or not."""
    settlement.insert_outcomes(
        correction.round_id,
        correction.to_version,
        [
            (bet.id, bet.accepted_at, bet.new_kind, bet.new_minor, bet.new_transfer)
            for one in worked
            for bet in one.bets
        ],
        now,
    )


def _keep_shares(
    correction: Correction, worked: Sequence[Played], splits: Sequence[Split], now: datetime
) -> None:
    CorrectionShare.objects.bulk_create(
        CorrectionShare(
            correction=correction,
            player_id=one.player_id,
            currency=one.currency,
            reversed_minor=share.reversed_minor,
            taken_minor=share.taken_minor,
            owed_minor=share.owed_minor,
            lost_minor=share.lost_minor,
            paid_minor=share.paid_minor,
            regained_minor=share.regained_minor,
            at=now,
        )
        for one, share in zip(worked, splits, strict=True)
    )


def _tell_compliance(worked: Sequence[Played], splits: Sequence[Split]) -> None:
    """Limits count what the player gained and lost by it, where the round's first stake counts.

    As a settlement does: what is paid today for a bet of yesterday gives no allowance today. What
    the house bears, nobody lost.
    """
    told = []
    for one, share in zip(worked, splits, strict=True):
        staked_at = min(bet.accepted_at for bet in one.bets)
        back_minor = share.taken_minor + share.owed_minor + share.regained_minor
        for kind, minor in (
            (facts.FactKind.PAID_OUT, share.paid_minor),
            (facts.FactKind.PAID_BACK, back_minor),
        ):
            if minor:
                told.append(facts.Fact(one.player_id, kind, Money(minor, one.currency), staked_at))
    facts.record(told)


def _notify(correction: Correction, round_: Round, player: Played, share: Split) -> None:
    """Tell a player whose outcome changed: both numbers, and what it did to the account."""
    if not share.reversed_minor and not share.paid_minor:
        return
    notify(
        player.player_id,
        ROUND_CORRECTED,
        {
            "table": round_.table.name,
            "round": round_.number,
            "round_id": str(round_.id),
            "old": correction.old_number,
            "new": correction.new_number,
            "currency": player.currency,
            "taken_minor": share.taken_minor + share.regained_minor,
            "owed_minor": share.owed_minor,
            "paid_minor": share.paid_minor,
        },
    )


def _finish(correction: Correction, round_: Round, now: datetime) -> None:
    """The round's next version, and the event that tells everybody; ends the transaction."""
    before = {"result": round_.result, "version": round_.version}
    correction.state = CorrectionState.DONE
    correction.finished_at = now
    correction.save(update_fields=["state", "finished_at"])
    round_.corrected_from, round_.corrected_at = correction.old_number, now
    round_.result, round_.version = correction.new_number, correction.to_version
    round_.result_sources = [Source.MANUAL.value]
    round_.save(
        update_fields=["corrected_from", "corrected_at", "result", "version", "result_sources"]
    )
    record(
        audit_kinds.CORRECTED,
        actor=SYSTEM,
        subject=Subject("round", str(round_.id)),
        component="tables",
        before=before,
        after={
            "result": round_.result,
            "version": round_.version,
            "correction": str(correction.id),
            "proposed_by": correction.proposed_by,
            "approved_by": correction.decided_by,
            "shortfall": correction.shortfall,
        },
        reason=correction.reason,
    )
    stream.append(
        stream_name(round_.table_id),
        "corrected",
        {
            "round": round_.number,
            "result": round_.result,
            "colour": roulette.colour(correction.new_number).value,
            "sources": round_.result_sources,
            "was": correction.old_number,
            "version": round_.version,
            "at": epoch_ms(now),
        },
    )
