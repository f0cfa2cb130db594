"""A player's own limits, and what is reserved against them.

Every change is an append-only row first; `Limit` is its result. The law's and the operator's own
limits come from the profile and apply beside the player's: of all of them the tightest decides, so
a player's limit never overrides a stricter one. What they allow is worked out in `rooms`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from audit.locks import LockRank, lock_rows
from audit.record import Subject, record, register
from compliance import limit_arithmetic
from compliance.jurisdictions import Jurisdiction, profile
from compliance.limit_arithmetic import (
    LimitKind,
    LimitState,
    Period,
    PeriodKind,
    length_of,
    periods_of,
    quarter,
    window,
)
from compliance.models import Limit, LimitChange, Reservation, Standing
from compliance.standing import StandingNow, lock_standing, read_standing
from kernel.arrays import array_of
from kernel.ids import Actor, PlayerId, new_id
from kernel.invariant import ensure
from kernel.money import Money
from kernel.refusal import Refused


class LimitCode(StrEnum):
    """Why a limit could not be changed."""

    NOT_POSITIVE = "limit_not_positive"
    WRONG_CURRENCY = "limit_wrong_currency"
    NOT_OFFERED = "limit_not_offered"
    ABOVE_POLICY = "limit_above_policy"
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
ANSWERED: Final = register("limit.answered", "Player asked about limits answered")

#: What a limit is set to: money, or seconds of play; None: no limit.
Amount = Money | timedelta | None


@dataclass(frozen=True, slots=True)
class Reserved:
    """The amount of a deposit in flight."""

    ref: UUID
    player_id: PlayerId
    amount: Money


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of a limit did: what counts now, and what waits until when.

    The currency of a limit of time is empty, and its amounts are seconds.
    """

    kind: LimitKind
    period: Period
    currency: str
    state: LimitState
    #: Since when windows are counted that are counted from the setting.
    set_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Written:
    """What the history tells of one change."""

    act: Act
    before: LimitState
    wanted_minor: int | None
    actor: Actor
    now: datetime


_LOCK_SQL: Final = (
    "SELECT currency, kind, period, set_at, amount_minor, pending_minor, pending_at,"
    " needs_confirmation FROM compliance_limit WHERE player_id = %s"
    " ORDER BY currency, kind, period FOR NO KEY UPDATE"
)


def set_limit(
    player_id: PlayerId,
    *,
    kind: LimitKind,
    period: Period,
    amount: Amount,
    actor: Actor,
    now: datetime,
) -> Change:
    """Set a limit to ``amount`` (None: no limit). A decrease counts from this commit.

    An increase waits for the policy's delay and, where the policy asks, for a confirmation then.
    Refuses with ``NOT_POSITIVE``, ``WRONG_CURRENCY``, ``NOT_OFFERED``, ``ABOVE_POLICY`` (what
    nobody may have, or more time than there is) or ``NO_STANDING``. Locks the player (rank
    PLAYER), then the limit. Audited.
    """
    is_time = kind is LimitKind.SESSION_TIME
    ensure(amount is None or isinstance(amount, timedelta) is is_time, "time is no money", of=kind)
    wanted = _minor(amount)
    if wanted is not None and wanted <= 0:
        raise Refused(LimitCode.NOT_POSITIVE)
    with transaction.atomic():
        standing = lock_standing(player_id)
        policy = standing.policy(now)
        currency = "" if is_time else standing.currency
        if isinstance(amount, Money) and amount.currency != currency:
            raise Refused(LimitCode.WRONG_CURRENCY, currency=standing.currency)
        if kind not in policy.limit_kinds or period not in periods_of(kind, policy.limit_periods):
            raise Refused(LimitCode.NOT_OFFERED, kind=kind.value, period=period.value)
        _refuse_above(policy, Change(kind, period, currency, LimitState(wanted)))
        before, set_at = _state(standing, kind, period)
        set_at = set_at or quarter(now)
        ends_at = now  # a limit without a period has no end to wait for, only the delay
        if period is not Period.ALWAYS:
            ends_at = window(period, now, policy.zone, policy.limit_period_kind, set_at).ends_at
        after = limit_arithmetic.changed(before, wanted, now, policy.change_policy, ends_at)
        act = Act.DECREASE if after.pending_at is None else Act.INCREASE
        change = Change(kind, period, currency, after)
        _write(standing, change, _Written(act, before, wanted, actor, now), set_at)
    return change


def _minor(amount: Amount) -> int | None:
    if isinstance(amount, timedelta):
        return amount // timedelta(seconds=1)
    return None if amount is None else amount.minor


def _refuse_above(policy: Jurisdiction, wanted: Change) -> None:
    """A limit that could never count is none: the player learns what does."""
    amount = wanted.state.amount_minor
    if amount is None:
        return
    if wanted.kind is LimitKind.SESSION_TIME:
        longest = length_of(wanted.period, PeriodKind.ROLLING) // timedelta(seconds=1)
        if amount > longest:
            raise Refused(LimitCode.ABOVE_POLICY, most_s=longest, period=wanted.period.value)
    for one in policy.operator_limits:
        same = (one.limit.kind, one.limit.period) == (wanted.kind, wanted.period)
        if same and one.currency == wanted.currency and amount > one.limit.amount_minor:
            raise Refused(
                LimitCode.ABOVE_POLICY,
                limit_minor=one.limit.amount_minor,
                currency=one.currency,
                period=wanted.period.value,
            )


def confirm_increase(
    player_id: PlayerId, *, kind: LimitKind, period: Period, actor: Actor, now: datetime
) -> Change:
    """Confirm a waiting increase once its delay is over; it counts from this commit.

    Refuses with ``NOTHING_PENDING`` or ``NOT_YET``. Locks as `set_limit`.
    """
    with transaction.atomic():
        standing = lock_standing(player_id)
        before, set_at = _state(standing, kind, period)
        if before.pending_at is None or set_at is None:
            raise Refused(LimitCode.NOTHING_PENDING)
        if before.pending_at > now:
            raise Refused(LimitCode.NOT_YET, at=before.pending_at.isoformat())
        after = limit_arithmetic.confirmed(before, now)
        change = Change(kind, period, _currency(standing, kind), after)
        told = _Written(Act.CONFIRM, before, before.pending_minor, actor, now)
        _write(standing, change, told, set_at)
    return change


def cancel_increase(
    player_id: PlayerId, *, kind: LimitKind, period: Period, actor: Actor, now: datetime
) -> Change:
    """Drop a waiting increase. Refuses with ``NOTHING_PENDING``. Locks as `set_limit`."""
    with transaction.atomic():
        standing = lock_standing(player_id)
        before, set_at = _state(standing, kind, period)
        after = limit_arithmetic.cancelled(before, now)
        is_waiting = before.pending_at is not None
        if set_at is None or not is_waiting or limit_arithmetic.settled(before, now) != before:
            raise Refused(LimitCode.NOTHING_PENDING)
        change = Change(kind, period, _currency(standing, kind), after)
        told = _Written(Act.CANCEL, before, after.amount_minor, actor, now)
        _write(standing, change, told, set_at)
    return change


def answer(player_id: PlayerId, *, actor: Actor, now: datetime) -> None:
    """The player was asked about limits and has said which they want, or that they want none.

    Locks the player. Audited. Refuses with ``NO_STANDING``.
    """
    with transaction.atomic():
        standing = lock_standing(player_id)
        row = Standing.objects.filter(pk=player_id)
        before = row.values_list("limits_answered_at", flat=True)[0]
        row.update(limits_answered_at=now)
        record(
            ANSWERED,
            actor=actor,
            subject=Subject("player", str(player_id)),
            component="compliance",
            before={"answered_at": None if before is None else before.isoformat()},
            after={"limits": len(own_limits(player_id)), "policy": standing.policy(now).policy},
        )


def must_answer(player_id: PlayerId, now: datetime) -> bool:
    """Whether the player is to be asked about limits: never was, or it is time to look again."""
    row = Standing.objects.filter(pk=player_id).values_list("jurisdiction", "limits_answered_at")
    found = row.first()
    if found is None:
        return False
    policy, answered = profile(found[0], now.date()), found[1]
    if answered is None:
        return policy.limits_asked
    every = policy.limits_review_every
    return every is not None and now >= answered + every


def missing(asked: Sequence[StandingNow], now: datetime) -> dict[PlayerId, tuple[LimitKind, ...]]:
    """Kinds that the law wants each of these players to have set, and that are not set.

    A kind is set when every period that is offered has its limit. One statement; none where no
    law wants any. Players of whom nothing is missing are absent.
    """
    wanted = {
        one.player_id: (one.policy(now).limits_required, one.policy(now).limit_periods)
        for one in asked
        if one.policy(now).limits_required
    }
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT player_id, kind, period FROM compliance_limit"
            " WHERE player_id = ANY(%s::text::bigint[]) AND CASE WHEN pending_at <= %s AND NOT"
            " needs_confirmation THEN pending_minor ELSE amount_minor END IS NOT NULL",
            [array_of(wanted), now],
        )
        there = set(cursor.fetchall())
    found = {}
    for player_id, (kinds, periods) in wanted.items():
        lacks = tuple(
            kind
            for kind in kinds
            if any(
                (player_id, kind.value, period.value) not in there
                for period in periods_of(kind, periods)
            )
        )
        if lacks:
            found[player_id] = lacks
    return found


def _currency(standing: StandingNow, kind: LimitKind) -> str:
    return "" if kind is LimitKind.SESSION_TIME else standing.currency


def _state(
    standing: StandingNow, kind: LimitKind, period: Period
) -> tuple[LimitState, datetime | None]:
    """This limit's state under its lock, and since when windows are counted for it.

    The player's lock covers the one that is not there yet.
    """
    wanted = (_currency(standing, kind), kind.value, period.value)
    for row in lock_rows(LockRank.LIMIT, _LOCK_SQL, [standing.player_id]):
        if row[:3] == wanted:
            return LimitState(*row[4:]), row[3]
    return LimitState(), None


def _write(standing: StandingNow, change: Change, told: _Written, set_at: datetime) -> None:
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
            "set_at": set_at,
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
            row.set_at,
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
