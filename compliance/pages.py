"""What pages show about limits: each one in force with what is used, left, and waiting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from compliance import facts, limits
from compliance.forms import KIND_NAMES, PERIOD_NAMES
from compliance.limit_arithmetic import Limit as Amount
from compliance.limit_arithmetic import LimitKind, Period, Room, Used, Window, in_force, window
from compliance.standing import StandingNow


@dataclass(frozen=True, slots=True)
class Row:
    """One limit as its player sees it. Amounts in minor units."""

    kind: LimitKind
    period: Period
    name: str
    period_name: str
    amount_minor: int | None
    used_minor: int
    left_minor: int | None
    starts_again_at: datetime
    pending: bool
    pending_minor: int | None
    pending_at: datetime | None
    can_confirm: bool


def limit_rows(standing: StandingNow, now: datetime) -> list[Row]:
    """The player's own limits at ``now``, read without locks: for showing, not for deciding."""
    zone = standing.policy(now).zone
    changes = limits.own_limits(standing.player_id)
    windows = [window(change.period, now, zone) for change in changes]
    used = facts.totals(
        [
            facts.Span(standing.player_id, change.currency, change.period, one)
            for change, one in zip(changes, windows, strict=True)
        ]
    )
    waiting = sum(one.amount.minor for one in limits.reservations([standing.player_id]).values())
    return [
        _row(change, one, spent, waiting, now)
        for change, one, spent in zip(changes, windows, used, strict=True)
    ]


def _row(change: limits.Change, span: Window, used: Used, waiting_minor: int, now: datetime) -> Row:
    amount = in_force(change.state, now)
    used_minor = used.towards(change.kind)
    if change.kind is LimitKind.DEPOSIT:
        used_minor += waiting_minor
    state = change.state
    pending = state.pending_at is not None and (state.needs_confirmation or state.pending_at > now)
    left = (
        None
        if amount is None
        else Room(Amount(change.kind, change.period, amount), used_minor).left_minor
    )
    return Row(
        kind=change.kind,
        period=change.period,
        name=str(KIND_NAMES[change.kind]),
        period_name=str(PERIOD_NAMES[change.period]),
        amount_minor=amount,
        used_minor=max(0, used_minor),
        left_minor=left,
        starts_again_at=span.ends_at,
        pending=pending,
        pending_minor=state.pending_minor if pending else None,
        pending_at=state.pending_at if pending else None,
        can_confirm=pending
        and state.needs_confirmation
        and state.pending_at is not None
        and state.pending_at <= now,
    )
