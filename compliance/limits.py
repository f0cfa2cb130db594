"""A player's own limits, and what is reserved against them.

Every change is an append-only row first; `Limit` is its result. The law's and the operator's own
limits come from the profile and apply beside the player's: of all of them the tightest decides, so
a player's limit never overrides a stricter one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from audit.locks import LockRank, lock_rows
from audit.record import Subject, record, register
from compliance import limit_arithmetic
from compliance.limit_arithmetic import Limit as Amount
from compliance.limit_arithmetic import LimitKind, LimitState, Period, window
from compliance.models import Limit, LimitChange, Reservation
from compliance.standing import StandingNow, lock_standing, read_standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused


class LimitCode(StrEnum):
    """Why a limit could not be changed."""

    NOT_POSITIVE = "limit_not_positive"
    WRONG_CURRENCY = "limit_wrong_currency"
    NOT_OFFERED = "limit_not_offered"
    NOTHING_PENDING = "nothing_pending"
    NOT_YET = "increase_not_yet"


class Act(StrEnum):
    """What a row of the limit history tells."""

    DECREASE = "decrease"
    INCREASE = "increase"
    CONFIRM = "confirm"
    CANCEL = "cancel"


_KINDS: Final = {
    Act.DECREASE: register("limit.decreased", "Limit set or lowered"),
    Act.INCREASE: register("limit.increase_asked", "Higher limit asked for"),
    Act.CONFIRM: register("limit.increase_confirmed", "Higher limit confirmed"),
    Act.CANCEL: register("limit.increase_cancelled", "Higher limit cancelled"),
}


@dataclass(frozen=True, slots=True)
class InForce:
    """One limit that counts for a player now, whoever set it."""

    player_id: PlayerId
    currency: str
    limit: Amount


@dataclass(frozen=True, slots=True)
class Reserved:
    """The amount of a deposit in flight."""

    ref: UUID
    player_id: PlayerId
    amount: Money


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of a limit did: what counts now, and what waits until when."""

    kind: LimitKind
    period: Period
    currency: str
    state: LimitState


@dataclass(frozen=True, slots=True)
class _Written:
    """What the history tells of one change."""

    act: Act
    before: LimitState
    wanted_minor: int | None
    actor: Actor
    now: datetime


_LOCK_SQL: Final = (
    "SELECT player_id, currency, kind, period, amount_minor, pending_minor, pending_at,"
    " needs_confirmation FROM compliance_limit WHERE player_id = ANY(%s)"
    " ORDER BY player_id, currency, kind, period FOR NO KEY UPDATE"
)


def lock_limits(standings: Sequence[StandingNow], now: datetime) -> list[InForce]:
    """Lock these players' limit rows (rank LIMIT, one statement); what is in force at ``now``.

    The caller holds the standings. The profile's limits are added for everybody they concern.
    """
    rows = lock_rows(LockRank.LIMIT, _LOCK_SQL, [[one.player_id for one in standings]])
    found = [
        InForce(row[0], row[1], Amount(LimitKind(row[2]), Period(row[3]), amount))
        for row in rows
        if (amount := limit_arithmetic.in_force(LimitState(*row[4:]), now)) is not None
    ]
    for one in standings:
        found.extend(
            InForce(one.player_id, one.currency, operator.limit)
            for operator in one.policy(now).operator_limits
            if operator.currency == one.currency
        )
    return found


def set_limit(
    player_id: PlayerId,
    *,
    kind: LimitKind,
    period: Period,
    amount: Money | None,
    actor: Actor,
    now: datetime,
) -> Change:
    """Set a limit to ``amount`` (None: no limit). A decrease counts from this commit.

    An increase waits for the policy's delay and, where the policy asks, for a confirmation then.
    Refuses with ``NOT_POSITIVE``, ``WRONG_CURRENCY``, ``NOT_OFFERED`` or ``NO_STANDING``. Locks
    the player (rank PLAYER), then the limit. Audited.
    """
    if amount is not None and amount.minor <= 0:
        raise Refused(LimitCode.NOT_POSITIVE)
    with transaction.atomic():
        standing = lock_standing(player_id)
        policy = standing.policy(now)
        if amount is not None and amount.currency != standing.currency:
            raise Refused(LimitCode.WRONG_CURRENCY, currency=standing.currency)
        if kind not in policy.limit_kinds or period not in policy.limit_periods:
            raise Refused(LimitCode.NOT_OFFERED, kind=kind.value, period=period.value)
        before = _state(standing, kind, period)
        wanted = None if amount is None else amount.minor
        ends_at = window(period, now, policy.zone).ends_at
        after = limit_arithmetic.changed(before, wanted, now, policy.change_policy, ends_at)
        act = Act.DECREASE if after.pending_at is None else Act.INCREASE
        change = Change(kind, period, standing.currency, after)
        _write(standing, change, _Written(act, before, wanted, actor, now))
    return change


def confirm_increase(
    player_id: PlayerId, *, kind: LimitKind, period: Period, actor: Actor, now: datetime
) -> Change:
    """Confirm a waiting increase once its delay is over; it counts from this commit.

    Refuses with ``NOTHING_PENDING`` or ``NOT_YET``. Locks as `set_limit`.
    """
    with transaction.atomic():
        standing = lock_standing(player_id)
        before = _state(standing, kind, period)
        if before.pending_at is None:
            raise Refused(LimitCode.NOTHING_PENDING)
        if before.pending_at > now:
            raise Refused(LimitCode.NOT_YET, at=before.pending_at.isoformat())
        after = limit_arithmetic.confirmed(before, now)
        change = Change(kind, period, standing.currency, after)
        _write(standing, change, _Written(Act.CONFIRM, before, before.pending_minor, actor, now))
    return change


def cancel_increase(
    player_id: PlayerId, *, kind: LimitKind, period: Period, actor: Actor, now: datetime
) -> Change:
    """Drop a waiting increase. Refuses with ``NOTHING_PENDING``. Locks as `set_limit`."""
    with transaction.atomic():
        standing = lock_standing(player_id)
        before = _state(standing, kind, period)
        after = limit_arithmetic.cancelled(before, now)
        if before.pending_at is None or limit_arithmetic.settled(before, now) != before:
            raise Refused(LimitCode.NOTHING_PENDING)
        change = Change(kind, period, standing.currency, after)
        _write(standing, change, _Written(Act.CANCEL, before, after.amount_minor, actor, now))
    return change


def _state(standing: StandingNow, kind: LimitKind, period: Period) -> LimitState:
    """This limit's state under its lock; the player's lock covers the one that is not there yet."""
    rows = lock_rows(LockRank.LIMIT, _LOCK_SQL, [[standing.player_id]])
    for row in rows:
        if (row[1], row[2], row[3]) == (standing.currency, kind.value, period.value):
            return LimitState(*row[4:])
    return LimitState()


def _write(standing: StandingNow, change: Change, told: _Written) -> None:
    after = change.state
    Limit.objects.update_or_create(
        player_id=standing.player_id,
        currency=change.currency,
        kind=change.kind.value,
        period=change.period.value,
        defaults={
            "amount_minor": after.amount_minor,
            "pending_minor": after.pending_minor,
            "pending_at": after.pending_at,
            "needs_confirmation": after.needs_confirmation,
        },
    )
    effective_at = after.pending_at or told.now
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_limitchange (id, at, player_id, currency, kind, period, act,"
            " before_minor, wanted_minor, effective_at, actor, policy)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                new_id(),
                told.now,
                standing.player_id,
                change.currency,
                change.kind.value,
                change.period.value,
                told.act.value,
                limit_arithmetic.in_force(told.before, told.now),
                told.wanted_minor,
                effective_at,
                str(told.actor),
                standing.policy(told.now).policy,
            ],
        )
    record(
        _KINDS[told.act],
        actor=told.actor,
        subject=Subject("player", str(standing.player_id)),
        component="compliance",
        before={"amount_minor": limit_arithmetic.in_force(told.before, told.now)},
        after={
            "kind": change.kind.value,
            "period": change.period.value,
            "currency": change.currency,
            "amount_minor": after.amount_minor,
            "wanted_minor": told.wanted_minor,
            "effective_at": effective_at.isoformat(),
        },
    )


def own_limits(player_id: PlayerId) -> list[Change]:
    """A player's own limits as they stand: for pages."""
    return [
        Change(
            LimitKind(row.kind),
            Period(row.period),
            row.currency,
            LimitState(row.amount_minor, row.pending_minor, row.pending_at, row.needs_confirmation),
        )
        for row in Limit.objects.filter(player_id=player_id).order_by("kind", "period")
    ]


def history(player_id: PlayerId, at_most: int = 100) -> list[LimitChange]:
    """The newest changes of a player's limits."""
    return list(LimitChange.objects.filter(player_id=player_id).order_by("-at")[:at_most])


def reserve(deposits: Sequence[Reserved], now: datetime) -> None:
    """Count these deposits against their players' limits until `release`. Repeating is harmless."""
    if not deposits:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_reservation (ref, player_id, currency, amount_minor, at)"
            " SELECT ref, player_id, currency, amount_minor, %s"
            " FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::bigint[])"
            " AS r(ref, player_id, currency, amount_minor) ON CONFLICT (ref) DO NOTHING",
            [
                now,
                [one.ref for one in deposits],
                [one.player_id for one in deposits],
                [one.amount.currency for one in deposits],
                [one.amount.minor for one in deposits],
            ],
        )


def release(ref: UUID) -> None:
    """The deposit ``ref`` is no longer in flight: it failed, or it landed and is a fact now."""
    Reservation.objects.filter(pk=ref).delete()


def reservations(player_ids: Collection[PlayerId]) -> dict[UUID, Reserved]:
    """What these players have in flight, by ref; one statement, none when nobody is asked about."""
    if not player_ids:
        return {}
    return {
        row.ref: Reserved(row.ref, PlayerId(row.player_id), Money(row.amount_minor, row.currency))
        for row in Reservation.objects.filter(player_id__in=list(player_ids))
    }


def offered(player_id: PlayerId, now: datetime) -> tuple[tuple[LimitKind, ...], tuple[Period, ...]]:
    """Which kinds and periods of limits the player's policy offers."""
    standing = read_standing(player_id)
    if standing is None:
        return (), ()
    policy = standing.policy(now)
    return policy.limit_kinds, policy.limit_periods
