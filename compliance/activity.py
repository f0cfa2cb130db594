"""What a player did, day by day, for their own eyes: money in, result, time. Read without locks.

Days are gaming days of the player's jurisdiction. Facts that are not folded yet are added, so the
page is exact at the moment it is read; nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection

from compliance.limit_arithmetic import gaming_day
from compliance.standing import StandingNow
from kernel.ids import PlayerId

#: How far back the page looks, in days; the shortest is shown first.
SPANS: Final = (7, 30, 90)
#: More than this without a bet ends a sitting: the pause is not counted as time played.
PAUSE_S_MAX: Final = 15 * 60
#: A sitting counts for this long at least, also one of a single bet.
SITTING_S_MIN: Final = 60


@dataclass(frozen=True, slots=True)
class Day:
    """One gaming day. ``net_minor`` is what came back less what was staked, open bets included."""

    on: date
    deposited_minor: int = 0
    net_minor: int = 0
    played_s: int = 0


@dataclass(frozen=True, slots=True)
class Activity:
    """Every day of a span, oldest first, idle ones included, and the sums."""

    days: tuple[Day, ...]
    #: Deposits less withdrawals since the account was opened, and its two parts.
    lifetime_deposited_minor: int
    lifetime_withdrawn_minor: int

    @property
    def deposited_minor(self) -> int:
        return sum(day.deposited_minor for day in self.days)

    @property
    def net_minor(self) -> int:
        return sum(day.net_minor for day in self.days)

    @property
    def played_s(self) -> int:
        return sum(day.played_s for day in self.days)

    @property
    def lifetime_net_minor(self) -> int:
        return self.lifetime_deposited_minor - self.lifetime_withdrawn_minor


def activity(standing: StandingNow, span_days: int, now: datetime) -> Activity:
    """The player's last ``span_days`` gaming days, today included, at ``now``."""
    zone = standing.policy(now).zone
    today = gaming_day(now, zone)
    days = [today - timedelta(days=back) for back in reversed(range(span_days))]
    money = _money(standing, days[0], zone)
    starts_at = datetime.combine(days[0], datetime.min.time(), ZoneInfo(zone))
    played = _played(standing.player_id, starts_at, zone)
    deposited, withdrawn = _lifetime(standing)
    return Activity(
        tuple(Day(on, *money.get(on, (0, 0)), played.get(on, 0)) for on in days),
        deposited,
        withdrawn,
    )


_MONEY_SQL: Final = """
SELECT day, sum(deposited)::bigint, sum(net)::bigint FROM (
    SELECT day, deposited_minor AS deposited,
           returned_minor + paid_out_minor - staked_minor AS net
    FROM compliance_daytotal WHERE player_id = %s AND currency = %s AND day >= %s
    UNION ALL
    SELECT (at AT TIME ZONE %s)::date,
           CASE kind WHEN 'deposited' THEN amount_minor ELSE 0 END,
           CASE WHEN kind IN ('stake_returned', 'paid_out') THEN amount_minor
                WHEN kind IN ('staked', 'paid_back') THEN -amount_minor ELSE 0 END
    FROM compliance_freshfact WHERE player_id = %s AND currency = %s
) one WHERE day >= %s GROUP BY day
"""


def _money(standing: StandingNow, first: date, zone: str) -> dict[date, tuple[int, int]]:
    who: list[int | str | date] = [standing.player_id, standing.currency]
    rows = _rows(_MONEY_SQL, [*who, first, zone, *who, first])
    return {day: (deposited, net) for day, deposited, net in rows}


_LIFETIME_SQL: Final = """
SELECT coalesce(sum(deposited), 0)::bigint, coalesce(sum(withdrawn), 0)::bigint FROM (
    SELECT deposited_minor AS deposited, withdrawn_minor AS withdrawn
    FROM compliance_daytotal WHERE player_id = %s AND currency = %s
    UNION ALL
    SELECT CASE kind WHEN 'deposited' THEN amount_minor ELSE 0 END,
           CASE kind WHEN 'withdrawn' THEN amount_minor
                     WHEN 'came_back' THEN -amount_minor ELSE 0 END
    FROM compliance_freshfact WHERE player_id = %s AND currency = %s
) one
"""


def _lifetime(standing: StandingNow) -> tuple[int, int]:
    who: list[int | str | date] = [standing.player_id, standing.currency]
    [(deposited, withdrawn)] = _rows(_LIFETIME_SQL, [*who, *who])
    return deposited, withdrawn


_PLAYED_SQL: Final = """
SELECT (at AT TIME ZONE %s)::date, sum(CASE WHEN gap_s <= %s THEN gap_s ELSE %s END)
FROM (
    SELECT at, extract(epoch FROM at - lag(at) OVER (ORDER BY at)) AS gap_s
    FROM compliance_gatedecision
    WHERE player_id = %s AND purpose = 'bet' AND allowed AND at >= %s
) one GROUP BY 1
"""


def _played(player_id: PlayerId, starts_at: datetime, zone: str) -> dict[date, int]:
    """Seconds from bet to bet, by day; pauses are left out, and each sitting counts a minute."""
    rows = _rows(_PLAYED_SQL, [zone, PAUSE_S_MAX, SITTING_S_MIN, player_id, starts_at])
    return {day: round(seconds) for day, seconds in rows}


def _rows(sql: str, parameters: Sequence[int | str | date | datetime]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
