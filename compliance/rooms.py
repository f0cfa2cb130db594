"""What limits still allow: each limit in force, whoever set it, with what is used of it.

Read without locks of their own: whoever decides holds the players' standings, under which alone
limits change, bets are placed and deposits begin. Facts that take allowance away (a payout or a
withdrawal that comes back) are told under it too; those that come without it (payouts, refunds,
withdrawals) only ever free allowance.

A limit on the balance counts all that is the player's when a deposit begins: what lies in the
account, what is at stake in rounds that are open, and what is on its way out; the last two may come
back. It refuses deposits alone: what is won or returned is the player's, however much it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.db import connection

from audit.together import Kept, Rows, Statement
from compliance import at_stake, facts, play_time
from compliance.jurisdictions import OperatorLimit
from compliance.limit_arithmetic import (
    Limit,
    LimitKind,
    LimitState,
    Period,
    PeriodKind,
    Room,
    Used,
    Window,
    window,
)
from compliance.limit_arithmetic import in_force as amount_in_force
from compliance.limits import Reserved
from compliance.standing import StandingNow
from kernel.arrays import array_of
from kernel.ids import PlayerId
from ledger import accounts
from ledger.postings import AccountKind

OF_DEPOSITS: Final = frozenset({LimitKind.DEPOSIT, LimitKind.NET_DEPOSIT, LimitKind.BALANCE})
OF_BETS: Final = frozenset({LimitKind.LOSS, LimitKind.WAGER})
OF_TIME: Final = frozenset({LimitKind.SESSION_TIME})
_ASK: Final = Kept(
    "SELECT player_id, currency, kind, period, set_at, amount_minor, pending_minor,"
    " pending_at, needs_confirmation FROM compliance_limit"
    " WHERE player_id = ANY(%s::text::bigint[]) AND kind = ANY(%s::text::text[])"
)


@dataclass(frozen=True, slots=True)
class InForce:
    """One limit that counts for a player now, and the window it counts in."""

    standing: StandingNow
    limit: Limit
    window: Window
    by_operator: bool = False

    @property
    def player_id(self) -> PlayerId:
        return self.standing.player_id


def for_deposits(
    asked: Sequence[StandingNow], reserved: Iterable[Reserved], now: datetime
) -> dict[PlayerId, list[Room]]:
    """All limits on deposits of these players; deposits in flight count as used."""
    in_flight: defaultdict[PlayerId, int] = defaultdict(int)
    for one in reserved:
        in_flight[one.player_id] += one.amount.minor
    return _by_player(of_money(in_force(asked, OF_DEPOSITS, now), in_flight))


def time_left(limits: Sequence[InForce], now: datetime) -> dict[PlayerId, Room]:
    """Of these limits of time the tightest of each player, in seconds."""
    found = of_time(limits, now)
    return {
        player_id: min(several, key=lambda room: room.left_minor)
        for player_id, several in _by_player(found).items()
    }


def in_force(
    asked: Sequence[StandingNow], kinds: Collection[LimitKind], now: datetime
) -> list[InForce]:
    """Limits of these kinds that count at ``now``: players' own and the operator's. One statement.

    None where no player is asked about.
    """
    if not asked:
        return []
    with connection.cursor() as cursor:
        cursor.execute(*asking(asked, kinds))
        return of_rows(cursor.fetchall(), asked, kinds, now)


def asking(asked: Sequence[StandingNow], kinds: Collection[LimitKind]) -> Statement:
    """The rows of these players' own limits of these kinds."""
    return (
        _ASK,
        [array_of(one.player_id for one in asked), array_of(sorted(kinds))],
    )


def of_rows(
    rows: Rows, asked: Sequence[StandingNow], kinds: Collection[LimitKind], now: datetime
) -> list[InForce]:
    """What `asking` found, and the operator's, as far as they count at ``now``."""
    standings = {one.player_id: one for one in asked}
    windows: dict[tuple[str, Period], Window] = {}
    found = []
    for player_id, currency, kind, period, set_at, *state in rows:
        standing, amount = standings[player_id], amount_in_force(LimitState(*state), now)
        if amount is None or currency not in {"", standing.currency}:
            continue
        limit = Limit(LimitKind(kind), Period(period), amount)
        found.append(InForce(standing, limit, _window(standing, limit, now, windows, set_at)))
    by_operator = _of_operators(asked, kinds, now)
    for standing in asked if by_operator else ():
        found.extend(
            InForce(
                standing,
                one.limit,
                _window(standing, one.limit, now, windows, None),
                by_operator=True,
            )
            for one in by_operator.get(standing.jurisdiction, ())
            if one.currency in {"", standing.currency}
        )
    return found


def _of_operators(
    asked: Sequence[StandingNow], kinds: Collection[LimitKind], now: datetime
) -> dict[str, list[OperatorLimit]]:
    """Jurisdiction → the operator's limits of these kinds; absent where there is none."""
    one_each = {one.jurisdiction: one for one in asked}
    found = {
        code: [one for one in standing.policy(now).operator_limits if one.limit.kind in kinds]
        for code, standing in one_each.items()
    }
    return {code: several for code, several in found.items() if several}


def _window(
    standing: StandingNow,
    limit: Limit,
    now: datetime,
    known: dict[tuple[str, Period], Window],
    set_at: datetime | None,
) -> Window:
    """The limit's window; the few different ones of a batch are worked out once.

    The operator's limits were not set by the player at any time: they count by the calendar where
    the player's count from their setting.
    """
    policy = standing.policy(now)
    kind = policy.limit_period_kind
    if kind is PeriodKind.FROM_SET and set_at is not None:
        return window(limit.period, now, policy.zone, kind, set_at)
    if kind is PeriodKind.FROM_SET:
        kind = PeriodKind.CALENDAR
    key = (policy.code, limit.period)
    if key not in known:
        known[key] = window(limit.period, now, policy.zone, kind)
    return known[key]


def of_money(
    found: Sequence[InForce], in_flight: dict[PlayerId, int]
) -> list[tuple[InForce, Room]]:
    """What is used of each; one statement for sums, two for balances, none where not needed."""
    of_balance = [one for one in found if one.limit.kind is LimitKind.BALANCE]
    of_sums = [one for one in found if one.limit.kind is not LimitKind.BALANCE]
    sums = facts.totals(
        [facts.Span(one.player_id, one.standing.currency, one.window) for one in of_sums]
    )
    balances = _balances(of_balance)
    used = [
        *zip(of_sums, sums, strict=True),
        *((one, Used(balance_minor=balances[one.player_id])) for one in of_balance),
    ]
    return [
        (one, Room(one.limit, _with_flight(some, in_flight, one).towards(one.limit.kind)))
        for one, some in used
    ]


def _with_flight(used: Used, in_flight: dict[PlayerId, int], one: InForce) -> Used:
    return replace(used, in_flight_minor=in_flight.get(one.player_id, 0))


def of_time(found: Sequence[InForce], now: datetime) -> list[tuple[InForce, Room]]:
    """What is used of each limit of time, in seconds; one statement, none for no limit."""
    played = play_time.seconds_played([(one.standing, one.window) for one in found], now)
    return [
        (one, Room(one.limit, Used(played_s=seconds).towards(one.limit.kind)))
        for one, seconds in zip(found, played, strict=True)
    ]


def _balances(found: Sequence[InForce]) -> dict[PlayerId, int]:
    """What these players have, with what is set aside for withdrawals and what is at stake.

    Stakes are read first: rounds are settled without the player's lock, and what moves from a stake
    to the account in between is counted twice for that moment, and never not at all.
    """
    if not found:
        return {}
    staked = at_stake.minor_of([one.player_id for one in found])
    names = [
        (kind, f"player:{one.player_id}", one.standing.currency)
        for one in found
        for kind in (AccountKind.PLAYER_CASH, AccountKind.PLAYER_HELD)
    ]
    ids = accounts.ensure_accounts(names)
    known = accounts.balances(ids.values())
    return {
        one.player_id: staked[one.player_id]
        + sum(
            known[ids[kind, f"player:{one.player_id}", one.standing.currency]].posted_minor
            for kind in (AccountKind.PLAYER_CASH, AccountKind.PLAYER_HELD)
        )
        for one in found
    }


def _by_player(found: Iterable[tuple[InForce, Room]]) -> dict[PlayerId, list[Room]]:
    rooms: defaultdict[PlayerId, list[Room]] = defaultdict(list)
    for one, room in found:
        rooms[one.player_id].append(room)
    return rooms
