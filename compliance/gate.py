"""The gate: may this player do this, now? Every debit and deposit of a player passes here.

`decide` answers a whole batch with a constant number of statements, in the transaction that moves
the money, under the players' locks. An allowed answer carries a permit, without which the ledger's
posting function refuses the transfer in the database: a path around the gate cannot post.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import connection

from compliance import facts, limits, switches
from compliance.limit_arithmetic import (
    LimitKind,
    Period,
    Room,
    Used,
    Window,
    tightest,
    window,
)
from compliance.models import Status
from compliance.standing import StandingNow, lock_standings
from kernel.arrays import array_of, array_of_texts
from kernel.ids import PermitId, PlayerId, new_id
from kernel.invariant import ensure
from kernel.money import Money
from ledger import permits
from ledger.postings import TransferKind

Data = dict[str, str | int | bool | None]


class Purpose(StrEnum):
    """What the player wants to do."""

    BET = "bet"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    SIGN_IN = "sign_in"
    MARKETING = "marketing"


class GateCode(StrEnum):
    """Why not."""

    NO_STANDING = "no_standing"
    SUSPENDED = "suspended"
    CLOSED = "closed"
    EXCLUDED = "excluded"
    COOLING_OFF = "cooling_off"
    UNDER_AGE = "under_age"
    NOT_VERIFIED = "not_verified"
    NOT_OFFERED = "not_offered"
    WRONG_CURRENCY = "wrong_currency"
    NOT_POSITIVE = "not_positive"
    DISABLED = "disabled"
    DEPOSIT_LIMIT = "deposit_limit"
    LOSS_LIMIT = "loss_limit"


@dataclass(frozen=True, slots=True)
class GateRequest:
    """One question. ``ref`` is the caller's id (bet, payment); ``scopes`` name what it touches."""

    ref: UUID
    player_id: PlayerId
    purpose: Purpose
    amount: Money
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer. ``permit`` is set where money may now move; ``policy`` names the text applied."""

    ref: UUID
    allowed: bool
    code: GateCode | None
    permit: PermitId | None
    policy: str
    data: Data = field(default_factory=dict)


#: Purposes that move money need a permit of this kind.
_PERMITS: Final = {
    Purpose.BET: TransferKind.STAKE,
    Purpose.DEPOSIT: TransferKind.DEPOSIT,
    Purpose.WITHDRAWAL: TransferKind.WITHDRAWAL_HOLD,
}
#: Scopes that each purpose touches besides those the caller names. Withdrawals ignore ``all``.
_OWN_SCOPES: Final[dict[Purpose, tuple[str, ...]]] = {
    Purpose.BET: switches.ALL_PLAY,
    Purpose.DEPOSIT: ("all", "deposits"),
    Purpose.WITHDRAWAL: ("withdrawals",),
    Purpose.SIGN_IN: (),
    Purpose.MARKETING: ("all",),
}
_LIMITED: Final = {Purpose.BET: LimitKind.LOSS, Purpose.DEPOSIT: LimitKind.DEPOSIT}
_LIMIT_CODES: Final = {
    LimitKind.LOSS: GateCode.LOSS_LIMIT,
    LimitKind.DEPOSIT: GateCode.DEPOSIT_LIMIT,
}


@dataclass(slots=True)
class _Facts:
    """All a batch is decided on, read under the locks; ``rooms`` shrink as items are allowed."""

    standings: dict[PlayerId, StandingNow]
    disabled: frozenset[str]
    rooms: dict[tuple[PlayerId, LimitKind], list[Room]]
    reserved: dict[UUID, limits.Reserved]


def decide(requests: Sequence[GateRequest], *, now: datetime) -> list[Decision]:
    """Answer every request, in order, inside the caller's transaction.

    Locks the players' standings (rank PLAYER), then their limit rows (rank LIMIT), each by one
    ordered SELECT. Several requests of one player are decided one after the other: what was
    allowed earlier counts. Each answer is recorded; allowed bets, deposits and withdrawals get a
    ledger permit of this transaction, and an allowed deposit reserves its amount under ``ref``
    until `limits.release`. Seven statements at most, however many players.
    """
    ensure(bool(connection.in_atomic_block), "the gate decides inside a transaction")
    ensure(now.tzinfo is not None, "instants are aware", now=now)
    if not requests:
        return []
    known = _read(requests, now)
    answers = [_answer(request, known, now) for request in requests]
    _write_down(requests, answers, now)
    permits.issue(_grants(requests, answers))
    limits.reserve(
        [
            limits.Reserved(request.ref, request.player_id, request.amount)
            for request, answer in zip(requests, answers, strict=True)
            if answer.allowed and request.purpose is Purpose.DEPOSIT
        ],
        now,
    )
    return answers


def _read(requests: Sequence[GateRequest], now: datetime) -> _Facts:
    standings = lock_standings({request.player_id for request in requests})
    scopes = {scope for request in requests for scope in _scopes(request)}
    limited = {
        (request.player_id, _LIMITED[request.purpose])
        for request in requests
        if request.purpose in _LIMITED and request.player_id in standings
    }
    players = sorted({player_id for player_id, _ in limited})
    in_force = limits.lock_limits([standings[player] for player in players], now) if players else []
    wanted = [one for one in in_force if (one.player_id, one.limit.kind) in limited]
    windows: dict[tuple[Period, str], Window] = {}
    spans = [_span(one, standings[one.player_id], now, windows) for one in wanted]
    reserved = limits.reservations(
        sorted({player for player, kind in limited if kind is LimitKind.DEPOSIT})
    )
    rooms: dict[tuple[PlayerId, LimitKind], list[Room]] = {}
    for one, used in zip(wanted, facts.totals(spans), strict=True):
        total = _with_reserved(one, used, reserved)
        rooms.setdefault((one.player_id, one.limit.kind), []).append(
            Room(one.limit, total.towards(one.limit.kind))
        )
    return _Facts(standings, switches.disabled_among(scopes), rooms, reserved)


def _span(
    one: limits.InForce,
    standing: StandingNow,
    now: datetime,
    windows: dict[tuple[Period, str], Window],
) -> facts.Span:
    """The window of one limit; the few different ones of a batch are worked out once."""
    key = (one.limit.period, standing.policy(now).zone)
    found = windows.get(key)
    if found is None:
        found = windows[key] = window(one.limit.period, now, key[1])
    return facts.Span(one.player_id, one.currency, one.limit.period, found)


def _with_reserved(one: limits.InForce, used: Used, reserved: dict[UUID, limits.Reserved]) -> Used:
    if not reserved:
        return used
    in_flight = sum(
        item.amount.minor
        for item in reserved.values()
        if item.player_id == one.player_id and item.amount.currency == one.currency
    )
    return Used(
        deposited_minor=used.deposited_minor,
        in_flight_minor=in_flight,
        staked_minor=used.staked_minor,
        returned_minor=used.returned_minor,
        paid_out_minor=used.paid_out_minor,
    )


def _scopes(request: GateRequest) -> tuple[str, ...]:
    own = _OWN_SCOPES[request.purpose]
    of_player = (f"{kind}:{request.player_id}" for kind in ("player", *switches.SECRET))
    return (*own, *of_player, *request.scopes)


def _answer(request: GateRequest, known: _Facts, now: datetime) -> Decision:
    standing = known.standings.get(request.player_id)
    if standing is None:
        return Decision(request.ref, False, GateCode.NO_STANDING, None, "", {})
    refusal = _standing_refusal(request, standing, now) or _switch_refusal(request, known)
    if refusal is None and request.purpose in _LIMITED:
        refusal = _limit_refusal(request, known)
    policy = standing.policy(now).policy
    if refusal is not None:
        return Decision(request.ref, False, refusal[0], None, policy, refusal[1])
    permit = PermitId(new_id()) if request.purpose in _PERMITS else None
    return Decision(request.ref, True, None, permit, policy, {})


def _standing_refusal(
    request: GateRequest, standing: StandingNow, now: datetime
) -> tuple[GateCode, Data] | None:
    """What the player's standing and policy say, in the order a player would want to hear it."""
    purpose, policy = request.purpose, standing.policy(now)
    leaving = purpose is Purpose.WITHDRAWAL
    playing = purpose in _LIMITED
    checks: tuple[tuple[bool, GateCode], ...] = (
        (standing.status == Status.CLOSED and not leaving, GateCode.CLOSED),
        (standing.status == Status.SUSPENDED and purpose != Purpose.SIGN_IN, GateCode.SUSPENDED),
        (purpose in _PERMITS and request.amount.minor <= 0, GateCode.NOT_POSITIVE),
        (
            purpose in _PERMITS and request.amount.currency != standing.currency,
            GateCode.WRONG_CURRENCY,
        ),
        (playing and not policy.live_table_games, GateCode.NOT_OFFERED),
        (playing and not standing.of_age(now), GateCode.UNDER_AGE),
        (
            playing and not _verified(standing) and not standing.may_play_unverified(now),
            GateCode.NOT_VERIFIED,
        ),
        (
            leaving and policy.verified_before_withdrawal and not _verified(standing),
            GateCode.NOT_VERIFIED,
        ),
    )
    stopped = playing or purpose is Purpose.MARKETING
    if stopped and standing.status == Status.ACTIVE:
        if standing.excluded(now):
            return GateCode.EXCLUDED, {
                "until": _iso(standing.excluded_until),
                "until_you_return": standing.exclusion_holds,
            }
        if standing.cooling_off(now):
            return GateCode.COOLING_OFF, {"until": _iso(standing.cool_off_until)}
    return next(((code, {}) for holds, code in checks if holds), None)


def _verified(standing: StandingNow) -> bool:
    return standing.age_verified and standing.identity_verified


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _switch_refusal(request: GateRequest, known: _Facts) -> tuple[GateCode, Data] | None:
    if not known.disabled:
        return None
    stopped = next((scope for scope in _scopes(request) if scope in known.disabled), None)
    if stopped is None:
        return None
    if stopped.partition(":")[0] in switches.SECRET:  # why is for officers alone
        stopped = f"player:{request.player_id}"
    return GateCode.DISABLED, {"scope": stopped}


def _limit_refusal(request: GateRequest, known: _Facts) -> tuple[GateCode, Data] | None:
    """The tightest limit decides; an allowed amount is used up for the rest of the batch.

    A deposit that already holds a reservation (it is being applied) is not counted twice.
    """
    key = (request.player_id, _LIMITED[request.purpose])
    own = known.reserved.get(request.ref)
    held_minor = own.amount.minor if own is not None and request.purpose is Purpose.DEPOSIT else 0
    rooms = [Room(room.limit, room.used_minor - held_minor) for room in known.rooms.get(key, ())]
    room = tightest(rooms)
    if room is None:
        return None
    if request.amount.minor > room.left_minor:
        return _LIMIT_CODES[room.limit.kind], {
            "period": room.limit.period.value,
            "limit_minor": room.limit.amount_minor,
            "left_minor": room.left_minor,
            "currency": request.amount.currency,
        }
    known.rooms[key] = [Room(one.limit, one.used_minor + request.amount.minor) for one in rooms]
    known.reserved.pop(request.ref, None)
    return None


def _grants(requests: Sequence[GateRequest], answers: Sequence[Decision]) -> list[permits.Grant]:
    return [
        permits.Grant(
            id=answer.permit,
            owner_ref=f"player:{request.player_id}",
            purpose=_PERMITS[request.purpose],
            currency=request.amount.currency,
            amount_minor_max=request.amount.minor,
        )
        for request, answer in zip(requests, answers, strict=True)
        if answer.permit is not None
    ]


_RECORD_SQL: Final = """
INSERT INTO compliance_gatedecision
    (id, at, ref, player_id, purpose, allowed, code, amount_minor, currency, policy, facts)
SELECT id, clock_timestamp(), ref, player_id, purpose, code IS NULL, code, amount_minor, currency,
       policy, facts::jsonb
FROM unnest(%s::text::uuid[], %s::text::uuid[], %s::text::bigint[], %s::text::text[],
            %s::text::text[], %s::text::bigint[], %s::text::text[], %s::text::text[],
            %s::text::text[])
     AS d(id, ref, player_id, purpose, code, amount_minor, currency, policy, facts)
"""


def _write_down(
    requests: Sequence[GateRequest], answers: Sequence[Decision], now: datetime
) -> None:
    """One row per answer, the permit's id as its own, in one statement."""
    instant = now.isoformat()
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD_SQL,
            [
                array_of(answer.permit or new_id() for answer in answers),
                array_of(request.ref for request in requests),
                array_of(request.player_id for request in requests),
                array_of(request.purpose.value for request in requests),
                array_of(None if answer.code is None else answer.code.value for answer in answers),
                array_of(request.amount.minor for request in requests),
                array_of_texts(request.amount.currency for request in requests),
                array_of_texts(answer.policy for answer in answers),
                array_of_texts(
                    json.dumps({"scopes": request.scopes, "now": instant} | dict(answer.data))
                    for request, answer in zip(requests, answers, strict=True)
                ),
            ],
        )
