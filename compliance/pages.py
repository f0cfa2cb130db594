"""What pages show about limits: each one in force with what is used, left, and waiting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from compliance import limits, rooms
from compliance.forms import KIND_NAMES, PERIOD_NAMES
from compliance.limit_arithmetic import (
    Limit,
    LimitKind,
    Period,
    PeriodKind,
    Room,
    in_force,
    window,
)
from compliance.standing import StandingNow
from compliance.wording import time_text
from kernel.ids import PlayerId


@dataclass(frozen=True, slots=True)
class Row:
    """One limit as its player sees it. Amounts in minor units; of a limit of time in seconds."""

    kind: LimitKind
    period: Period
    name: str
    period_name: str
    amount_minor: int | None
    used_minor: int
    left_minor: int | None
    #: None where the window rolls, or there is none.
    starts_again_at: datetime | None
    pending: bool
    pending_minor: int | None
    pending_at: datetime | None
    can_confirm: bool

    @property
    def is_time(self) -> bool:
        return self.kind is LimitKind.SESSION_TIME

    @property
    def amount_time(self) -> str:
        return time_text(self.amount_minor or 0)

    @property
    def used_time(self) -> str:
        return time_text(self.used_minor)

    @property
    def left_time(self) -> str:
        return time_text(self.left_minor or 0)

    @property
    def pending_time(self) -> str:
        return time_text(self.pending_minor or 0)


def limit_rows(standing: StandingNow, now: datetime) -> list[Row]:
    """The player's own limits at ``now``, read without locks: for showing, not for deciding."""
    changes = limits.own_limits(standing.player_id)
    found = [_counted(standing, change, now) for change in changes]
    in_flight = {
        standing.player_id: sum(
            one.amount.minor for one in limits.reservations([standing.player_id]).values()
        )
    }
    of_time = [one for one in found if one.limit.kind is LimitKind.SESSION_TIME]
    of_money = [one for one in found if one.limit.kind is not LimitKind.SESSION_TIME]
    used = {
        (one.limit.kind, one.limit.period): room
        for one, room in [*rooms.of_money(of_money, in_flight), *rooms.of_time(of_time, now)]
    }
    return [
        _row(change, one, used[change.kind, change.period], now)
        for change, one in zip(changes, found, strict=True)
    ]


def _counted(standing: StandingNow, change: limits.Change, now: datetime) -> rooms.InForce:
    policy = standing.policy(now)
    span = window(change.period, now, policy.zone, policy.limit_period_kind, change.set_at)
    amount = in_force(change.state, now) or 0
    return rooms.InForce(standing, Limit(change.kind, change.period, amount), span)


def _row(change: limits.Change, one: rooms.InForce, room: Room, now: datetime) -> Row:
    amount, state = in_force(change.state, now), change.state
    pending = state.pending_at is not None and (state.needs_confirmation or state.pending_at > now)
    rolls = one.standing.policy(now).limit_period_kind is PeriodKind.ROLLING
    return Row(
        kind=change.kind,
        period=change.period,
        name=str(KIND_NAMES[change.kind]),
        period_name=str(PERIOD_NAMES[change.period]),
        amount_minor=amount,
        used_minor=max(0, room.used_minor),
        left_minor=None if amount is None else room.left_minor,
        starts_again_at=None if rolls or change.period is Period.ALWAYS else one.window.ends_at,
        pending=pending,
        pending_minor=state.pending_minor if pending else None,
        pending_at=state.pending_at if pending else None,
        can_confirm=pending
        and state.needs_confirmation
        and state.pending_at is not None
        and state.pending_at <= now,
    )


def in_force_rows(player: StandingNow, now: datetime) -> list[tuple[str, Room]]:
    """Every limit that counts, the operator's too, with who set it: for explaining the gate."""
    in_flight: dict[PlayerId, int] = {
        player.player_id: sum(
            one.amount.minor for one in limits.reservations([player.player_id]).values()
        )
    }
    kinds = rooms.OF_BETS | rooms.OF_DEPOSITS
    found = [
        *rooms.of_money(rooms.in_force([player], kinds, now), in_flight),
        *rooms.of_time(rooms.in_force([player], rooms.OF_TIME, now), now),
    ]
    return [("operator" if one.by_operator else "player", room) for one, room in found]
